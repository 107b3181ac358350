"""All that only the demo model needs; the only place that knows the demo shop."""
