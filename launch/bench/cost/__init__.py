"""What the controller itself costs a call."""
