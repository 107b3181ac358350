"""A table as a database's catalogue lists it, and how the schema shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from plugins.text2sql.databases.descriptions import MAX_TABLE_CHARACTERS
from plugins.text2sql.databases.relational.column_facts import NO_FACTS, Facts, ListedColumn, one_line
from plugins.text2sql.databases.schema import ForeignKey, LeftOut, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTable:
    """A table by its ``schema`` and ``name``, and the name that it is ``known_as``.

    ``rows`` is the database's estimate, negative if it has none.
    """

    schema: str
    name: str
    known_as: str
    view: bool
    comment: str
    rows: float
    columns: tuple[ListedColumn, ...]
    keys: tuple[ForeignKey, ...]

    def shown(self, rows: int, facts: Mapping[str, Facts]) -> Table:
        """Return the table of the schema, with ``rows`` unless it is a view, and the facts of its columns."""
        return Table(
            self.known_as,
            tuple(column.with_facts(facts.get(column.name, NO_FACTS)) for column in self.columns),
            tuple(sorted(self.keys, key=lambda key: (key.columns, key.target))),
            0 if self.view else rows,
            self.view,
            one_line(self.comment, MAX_TABLE_CHARACTERS),
        )


def with_dots(schemas: Iterable[str]) -> list[LeftOut]:
    """Return those of ``schemas`` whose tables can't be known as ``schema.table``, since they have a dot."""
    dotted = sorted({schema for schema in schemas if "." in schema})
    return [LeftOut(f"{schema}.*", "the schema's name has a dot") for schema in dotted]
