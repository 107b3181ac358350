"""MySQL and MariaDB as kinds of database."""
