"""Which tables of a database the prompts about a question show."""
