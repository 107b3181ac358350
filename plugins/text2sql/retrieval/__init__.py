"""What a database holds that a question names or resembles."""
