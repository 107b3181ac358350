"""A typed client of a running server."""
