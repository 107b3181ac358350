"""Reading what models write: thinking, and the statement in an answer."""
