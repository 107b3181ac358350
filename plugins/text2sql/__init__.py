"""The Text-to-SQL workflow: its stages and prompts, databases, SQL safety and grammars."""
