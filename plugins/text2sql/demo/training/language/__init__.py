"""The language of the training: questions with their SQL, drawn at random."""
