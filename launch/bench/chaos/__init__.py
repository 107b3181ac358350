"""Faults on purpose: what a running server loses, and how soon it is itself again."""
