"""Workflow traces: their format, where they come from, which of their workflows arrive when."""
