"""What the questions are about: the shop's values, which of them are held out, and its joins."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE, literal
from plugins.text2sql.databases.value_scan import ScanLimits, scan_values
from plugins.text2sql.demo.grammar.joins import Source, sources
from plugins.text2sql.demo.shop import build_shop
from plugins.text2sql.demo.training.language.expand import phrasings
from plugins.text2sql.retrieval.matches import meant, similar
from plugins.text2sql.retrieval.retrieval import MAX_VALUES
from plugins.text2sql.retrieval.schema_words import schema_words
from plugins.text2sql.retrieval.text_index import TextIndex
from plugins.text2sql.spans import COMMON_WORDS

HELD_OUT = 0.15
"""Of the values of an open column, this share is kept from training to be asked about afterwards."""


@dataclass(frozen=True, slots=True)
class World:
    """The shop as a generator of questions sees it, and how people speak of it (``lexicon``, ``patterns``).

    ``values`` are those of each text column, ``unseen`` the held-out ones of the open columns.
    ``joins`` gives the text after FROM for a first table and all tables.
    """

    schema: DatabaseSchema
    path: Path
    lexicon: Mapping[str, Any]
    patterns: Mapping[str, Any]
    values: Mapping[str, tuple[str, ...]]
    unseen: Mapping[str, tuple[str, ...]]
    joins: Mapping[tuple[str, frozenset[str]], Source]
    parents: Mapping[str, Sequence[str]]
    _index: TextIndex = field(repr=False)

    def evidence(self, keywords: Sequence[str], question: str) -> list[str]:
        """Return what retrieval finds for ``keywords`` and in ``question``, as the workflow's own does."""
        of_schema = schema_words(self.schema)
        common = COMMON_WORDS | of_schema
        keywords = meant(keywords, (question,), of_schema)
        return list(similar(self._index, keywords, MAX_VALUES, SQLITE, (question,), common).labels)

    def above(self, table: str) -> list[str]:
        """Return the tables that ``table`` refers to, directly or not."""
        found: list[str] = []
        for parent in self.parents[table]:
            found += [parent, *self.above(parent)]
        return list(dict.fromkeys(found))

    def source(self, root: str, tables: set[str]) -> Source:
        """Return what stands after FROM: it starts at ``root`` and holds ``tables``."""
        needed = {root} | tables
        for table in tables:
            needed |= {t for t in self.above(root) if t == table or table in self.above(t)}
        return self.joins[root, frozenset(needed)]


@contextmanager
def demo_world() -> Iterator[World]:
    """Build the demo database aside and yield what is known of it."""
    with TemporaryDirectory() as folder, closing(DatabaseRegistry()) as registry:
        path = Path(folder) / "shop.sqlite"
        build_shop(path)
        registry.register("shop", SqliteDatabase, str(path))
        schema = registry.schema("shop")
        scanned = scan_values(registry.database("shop"), schema, ScanLimits(), lambda: False)
        labels = [f"{c} = {literal(v)}" for c, v in zip(scanned.columns, scanned.values, strict=True)]
        lexicon = phrasings("lexicon")
        values = {column: _distinct(path, column) for column in (*lexicon["open"], *lexicon["closed"])}
        yield World(
            schema=schema,
            path=path,
            lexicon=lexicon,
            patterns=phrasings("patterns"),
            values=values,
            unseen={column: _kept_back(column, values) for column in lexicon["open"]},
            joins={(s.tables[0], frozenset(s.tables)): s for s in sources(schema.tables)},
            parents={t.name: [key.target for key in t.foreign_keys] for t in schema.tables},
            _index=TextIndex(scanned.values, labels),
        )


def _distinct(path: Path, column: str) -> tuple[str, ...]:
    table, _, name = column.partition(".")
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT DISTINCT {name} FROM {table} ORDER BY 1")  # noqa: S608
        return tuple(str(row[0]) for row in rows)


def _kept_back(column: str, values: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    # Customers and suppliers live in the same cities.
    column = "customers.city" if column == "suppliers.city" else column
    chosen = values[column]
    return tuple(random.Random(column).sample(chosen, max(1, round(HELD_OUT * len(chosen)))))
