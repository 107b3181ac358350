"""SQLite as a kind of database."""
