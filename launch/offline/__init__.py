"""A GPU host that reaches no package registry: what to carry there, and what to measure with (README.md)."""
