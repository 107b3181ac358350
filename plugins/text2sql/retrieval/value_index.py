"""The index of a database's values: made whole, from what a scan read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from plugins.text2sql.databases.database import Database
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.value_scan import ScanLimits, ScannedValues, TextColumn, scan_values
from plugins.text2sql.retrieval.schema_words import schema_words
from plugins.text2sql.retrieval.text_index import TextIndex

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class ValueIndex:
    """The values of a database: those in an index, and columns that have too many for it.

    The ``schema_words`` name tables and columns; ``notes`` say what was left out.
    """

    index: TextIndex
    large: tuple[TextColumn, ...]
    schema_words: frozenset[str]
    notes: tuple[str, ...]


def value_index(
    source: Database, schema: DatabaseSchema, limits: ScanLimits, stopped: Callable[[], bool]
) -> ValueIndex:
    """Return the index of the values in ``source``.  Takes seconds for a large database.

    Raises:
        ScanStoppedError: ``stopped`` said so.
        UnavailableError: the database can't be read.
    """
    scanned = scan_values(source, schema, limits, stopped)
    conditions = map("{} = {}".format, scanned.columns, map(schema.dialect.literal, scanned.values))
    index = TextIndex(scanned.values, tuple(conditions))
    cuts = tuple(_cuts(scanned, schema.dialect, limits))
    return ValueIndex(index, scanned.large, schema_words(schema), cuts)


def _cuts(scanned: ScannedValues, dialect: Dialect, limits: ScanLimits) -> Iterator[str]:
    """Yield what was left out of an index of values."""
    if scanned.large:
        names = _listed([column.sql(dialect) for column in scanned.large])
        yield f"too many values to index, sought in the database instead: {names}"
    if scanned.in_part:
        yield f"values of some rows only (of at most {limits.column_rows}): {_listed(scanned.in_part)}"


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return ", ".join([*names[:_MOST_NAMED], *more])
