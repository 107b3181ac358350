"""Whether SQL answers a question, by the rules of each benchmark."""
