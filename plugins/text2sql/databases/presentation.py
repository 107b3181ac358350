"""What of a database is shown to the model, and in which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from plugins.text2sql.databases.descriptions import NO_DESCRIPTIONS, Descriptions
from plugins.text2sql.databases.schema import DatabaseSchema, Table
from sched.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Presentation:
    """Which tables and views are shown, by patterns such as ``sales_*``, and what is said about them.

    A name is shown if it matches one of ``include`` (or there are none) and none of ``exclude``; capitals
    don't count.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    descriptions: Descriptions = NO_DESCRIPTIONS

    @property
    def hides(self) -> bool:
        """Whether it may leave out tables."""
        return bool(self.include or self.exclude)

    def shows(self, table: str) -> bool:
        """Whether a table or view of this name is shown."""
        return (not self.include or _matches(table, self.include)) and not _matches(table, self.exclude)

    def of(self, schema: DatabaseSchema) -> DatabaseSchema:
        """Return what is shown of ``schema``.

        Raises:
            ConfigError: it has tables, and none is shown.
        """
        hidden = {table.name.lower() for table in schema.tables if not self.shows(table.name)}
        if schema.tables and len(hidden) == len(schema.tables):
            raise ConfigError("include and exclude leave no table; widen them", field="database_options")
        shown = [_without(hidden, table) for table in schema.tables if table.name.lower() not in hidden]
        missed = tuple(each for each in schema.left_out if self.shows(each.name))
        return replace(schema, tables=tuple(map(self.descriptions.describe, shown)), left_out=missed)


EVERYTHING = Presentation()


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def _without(hidden: set[str], table: Table) -> Table:
    """Return ``table`` without its references to ``hidden`` ones."""
    keys = tuple(key for key in table.foreign_keys if key.target.lower() not in hidden)
    return replace(table, foreign_keys=keys)
