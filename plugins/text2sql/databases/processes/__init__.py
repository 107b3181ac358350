"""Statements in processes that may be killed."""
