"""How a question is read for the demo model."""
