"""What a database holds that resembles a question's keywords: values and columns.

The values of each database are indexed in a thread and held in memory.  A question that comes before
the index is ready goes on without it, and its answer says so.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from plugins.text2sql.databases.database import Database
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.value_scan import ScanLimits, ScanStoppedError, identity
from plugins.text2sql.retrieval.large_columns import LargeColumns
from plugins.text2sql.retrieval.likeness import SHORTEST_WORD
from plugins.text2sql.retrieval.matches import meant, similar
from plugins.text2sql.retrieval.text_index import TextIndex
from plugins.text2sql.retrieval.value_index import ValueIndex, value_index
from plugins.text2sql.spans import COMMON_WORDS, NAME_PART
from sched.errors import UnavailableError

logger = logging.getLogger(__name__)

MAX_VALUES = 10
MAX_COLUMNS = 8
_LOOKUP_SECONDS = 2.0
_DATABASE_SECONDS = 1.0
_MISSING = "the index of values is still being made; the question went on without it"
_STALE = "the database has changed and its index is being made anew; the old one was used"


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up gave, as SQL would say it, and what the user should know about it."""

    lines: tuple[str, ...] = ()
    note: str | None = None


class IndexedDatabases(Protocol):
    """The databases by name; ``plugins.text2sql.databases.database_registry.DatabaseRegistry`` is one."""

    def database(self, name: str) -> Database:
        """Return database ``name``."""
        ...

    def schema(self, name: str) -> DatabaseSchema:
        """Return the schema of database ``name``."""
        ...


class Retrieval(Protocol):
    """What the workflow needs of a :class:`Retriever`."""

    def prepare(self, database: str) -> None:
        """Begin to index ``database``, in the background."""
        ...

    async def values(self, database: str, keywords: Sequence[str], question: str, hint: str = "") -> Found:
        """Return conditions such as ``city = 'Oslo'`` on values that are named or are like ``keywords``."""
        ...

    async def columns(self, database: str, keywords: Sequence[str]) -> Found:
        """Return the columns whose names resemble ``keywords``."""
        ...


@dataclass(slots=True)
class _Index:
    """A database's index, of its ``columns`` as they are in ``schema``.

    ``made_from`` is the identity that the values stand for, or are being indexed for.
    """

    schema: DatabaseSchema
    columns: TextIndex
    values: ValueIndex | None = None
    made_from: str | None = None
    note: str | None = None


class Retriever:
    """Holds one index per database; implements :class:`Retrieval`.  One is made at a time.

    An index is made anew when the database's identity, its schema or the ``limits`` have changed; until
    then the old one serves.  A question names no value by one of the ``common`` words, nor by the name of a
    table or column, unless it writes it as a name.
    """

    def __init__(
        self,
        databases: IndexedDatabases,
        limits: ScanLimits | None = None,
        common: frozenset[str] = COMMON_WORDS,
    ) -> None:
        self._databases = databases
        self._limits = limits or ScanLimits()
        self._common = common
        self._indexes: dict[str, _Index] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._executor = ThreadPoolExecutor(1, "index")

    def prepare(self, database: str) -> None:
        """Bring the index up to date in the background; cheap if it is.

        Raises:
            NotFoundError: no such database.
        """
        self._prepared(database)

    def ready(self, database: str) -> bool:
        """Whether the index of values is made and, when last looked at, up to date."""
        index = self._indexes.get(database)
        return index is not None and index.values is not None and index.note is None

    async def values(
        self, database: str, keywords: Sequence[str], question: str = "", hint: str = ""
    ) -> Found:
        """Return up to ``MAX_VALUES`` conditions on values that are named or like ``keywords``, best first.

        What ``question`` or ``hint`` names exactly is found whatever the keywords, so that weak ones do no
        harm.
        Takes at most 2 s.  Where there is no index, nothing is found and the note says so.
        """

        def look_up() -> Found:
            index = self._prepared(database)
            note = index.note  # before the values: the index may be made while they are looked up
            return self._found(database, index.values, keywords, (question, hint), note)

        return await _in_time(look_up)

    async def columns(self, database: str, keywords: Sequence[str]) -> Found:
        """Return up to ``MAX_COLUMNS`` columns whose names resemble ``keywords``, best first."""

        def look_up() -> Found:
            dialect = self._databases.schema(database).dialect
            found = similar(self._prepared(database).columns, keywords, MAX_COLUMNS, dialect)
            return Found(found.labels, _joined(f"columns: {note}" for note in found.notes))

        return await _in_time(look_up)

    def close(self) -> None:
        """Stop making indexes.  May be called twice."""
        with self._lock:
            self._stop.set()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _found(
        self,
        database: str,
        values: ValueIndex | None,
        keywords: Sequence[str],
        said: tuple[str, ...],
        note: str | None,
    ) -> Found:
        if values is None:
            return Found(note=note)
        dialect = self._databases.schema(database).dialect
        until = time.monotonic() + _DATABASE_SECONDS
        keywords, common = meant(keywords, said, values.schema_words), self._common | values.schema_words
        large = LargeColumns(
            self._databases.database(database),
            values.large,
            dialect,
            self._limits.longest,
            lambda: self._stop.is_set() or time.monotonic() >= until,
        )
        large.look_up(values.index, keywords, said, common)
        found = similar(values.index, keywords, MAX_VALUES, dialect, said, common, large.found)
        left_out = (f"values: {said}" for said in (*large.notes, *found.notes))
        return Found(found.labels, _joined((note, *values.notes, *left_out)))

    def _prepared(self, database: str) -> _Index:
        schema = self._databases.schema(database)
        source = self._databases.database(database)
        with self._lock:
            index = self._indexes.get(database)
            if index is None:
                index = self._indexes[database] = _Index(schema, _column_index(schema))
            elif index.schema is not schema:
                index.schema, index.columns = schema, _column_index(schema)
            try:
                wanted = identity(source, schema, self._limits)
            except UnavailableError as error:
                index.note = f"the index of values can't be checked: {error}"
                return index
            if index.made_from != wanted and not self._stop.is_set():
                index.made_from = wanted
                index.note = _STALE if index.values else _MISSING
                self._executor.submit(self._make, database, index, wanted)
        return index

    def _make(self, database: str, index: _Index, wanted: str) -> None:
        note: str | None = None
        try:
            source, schema = self._databases.database(database), self._databases.schema(database)
            index.values = value_index(source, schema, self._limits, self._stop.is_set)
        except ScanStoppedError:
            return
        except Exception as error:  # whatever it is, questions go on without the index
            logger.warning("the values of database %s can't be indexed: %s", database, error)
            note = f"the values can't be indexed: {error}"
        with self._lock:
            if index.made_from == wanted:
                index.note = note


def _column_index(schema: DatabaseSchema) -> TextIndex:
    """Return the columns under the words of their names, together, one by one, and after their table's."""
    name_of = schema.dialect.identifier
    texts: dict[tuple[str, str], None] = {}
    for table in schema.tables:
        for column in table.columns:
            label = f"{schema.dialect.table(table.name)}.{name_of(column.name)}"
            parts = NAME_PART.findall(column.name)
            name = " ".join(parts) or column.name
            words = [part for part in parts if len(part) >= SHORTEST_WORD]
            of_table = table.name.rpartition(".")[2] if schema.dialect.default_schema else table.name
            for text in (name, f"{of_table.removesuffix('s')} {name}", *words):
                texts[text, label] = None
    return TextIndex([text for text, _ in texts], [label for _, label in texts])


def _joined(notes: Iterable[str | None]) -> str | None:
    return "; ".join(dict.fromkeys(note for note in notes if note)) or None


async def _in_time(look_up: Callable[[], Found]) -> Found:
    try:
        return await asyncio.wait_for(asyncio.to_thread(look_up), _LOOKUP_SECONDS)
    except TimeoutError:
        return Found(note=f"a look-up took longer than {_LOOKUP_SECONDS:g} s and was given up")
