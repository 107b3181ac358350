"""Sluice's own routes."""
