"""Grammars made from a schema and a question, which bound the demo model's SQL."""
