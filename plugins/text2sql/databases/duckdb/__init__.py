"""DuckDB as a kind of database."""
