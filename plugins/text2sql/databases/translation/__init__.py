"""Statements of one dialect of SQL, written in another."""
