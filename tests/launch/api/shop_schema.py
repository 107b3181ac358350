"""A schema without a database."""

from __future__ import annotations

from plugins.text2sql.databases.schema import Column, DatabaseSchema, Kind, Table


class ShopSchema:
    """A database of one table."""

    def schema(self, name: str) -> DatabaseSchema:
        column = Column("id", "INTEGER", nullable=False, primary_key=True, kind=Kind.NUMBER, samples=(1, 9))
        return DatabaseSchema((Table("customers", (column,), (), 9),))
