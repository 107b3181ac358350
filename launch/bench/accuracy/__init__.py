"""Whether answers are right, beside how fast they come."""
