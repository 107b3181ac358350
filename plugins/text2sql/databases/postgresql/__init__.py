"""PostgreSQL as a kind of database."""
