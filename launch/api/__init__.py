"""The HTTP API: requests in, answers and event streams out.  It decides nothing about scheduling."""
