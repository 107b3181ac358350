"""Agents that tag nothing, recognised or not."""
