"""Where the workflow gets schemas from."""

from __future__ import annotations

from typing import Protocol

from plugins.text2sql.databases.schema import DatabaseSchema


class SchemaSource(Protocol):
    """Schemas by database; ``plugins.text2sql.databases.database_registry.DatabaseRegistry`` is one."""

    def schema(self, name: str) -> DatabaseSchema:
        """Return the schema of database ``name``.

        Raises:
            NotFoundError: no such database.
        """
        ...
