"""Hundreds of thousands of calls under faults: none is lost or run twice, and nothing piles up."""
