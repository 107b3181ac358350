"""Ask a question from a terminal."""
