"""Benchmarks as they are published, read into one form."""
