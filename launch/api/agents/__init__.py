"""Agents recognised without a change."""
