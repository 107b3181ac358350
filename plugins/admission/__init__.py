"""Admission policies: which workflows are served, and with how much.  One policy a file."""
