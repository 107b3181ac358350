"""Self-consistency: several candidates, and the result that most of them give."""
