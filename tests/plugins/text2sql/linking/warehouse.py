"""A database of 300 tables with 21 columns each, a model's tokenizer, and a workflow over both."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from engine.controller.prompt_encoder import PromptEncoder
from plugins.text2sql.databases.schema import Column, DatabaseSchema, ForeignKey, Kind, Table
from sched.workflow import Segment

TABLES, COLUMNS = 300, 21
CONTEXT = 8192
_SHOWN = re.compile(r"^CREATE TABLE (\w+) \(", re.MULTILINE)


def table(name: str, columns: Sequence[str] = ("id",), *targets: str) -> Table:
    """Return a table of texts whose first column is its key, with a foreign key to each of ``targets``."""
    names = [*columns, *(f"{target}_id" for target in targets)]
    return Table(
        name,
        tuple(Column(c, "TEXT", True, i == 0, Kind.TEXT, ()) for i, c in enumerate(names)),
        tuple(ForeignKey((f"{target}_id",), target, ("id",)) for target in targets),
        row_count=1,
    )


def schema(*tables: Table) -> DatabaseSchema:
    return DatabaseSchema(tuple(sorted(tables, key=lambda t: t.name)))


def build_warehouse(path: Path) -> Path:
    """Write the database: table ``t_000`` refers to ``t_001``, and so on; each has one row."""
    with closing(sqlite3.connect(path)) as connection:
        for number in range(TABLES):
            columns = ["id INTEGER PRIMARY KEY"]
            if number + 1 < TABLES:
                columns.append(f"next_id INTEGER REFERENCES t_{number + 1:03} (id)")
            columns += [f"measure_{number}_{place} TEXT" for place in range(COLUMNS - len(columns))]
            connection.execute(f"CREATE TABLE t_{number:03} ({', '.join(columns)})")
            connection.execute(f"INSERT INTO t_{number:03} (id) VALUES (1)")
        connection.commit()
    return path


def encoder(texts: Sequence[str]) -> PromptEncoder:
    """Return a byte-level BPE tokenizer, as Qwen's is, with 2,000 tokens learned from ``texts``."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2000, show_progress=False, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    return PromptEncoder(tokenizer)


def counter(encoder: PromptEncoder) -> Any:
    async def count(segments: Sequence[Segment]) -> int:
        return (await encoder.encode(segments)).tokens

    return count


def shown(prompt: str) -> list[str]:
    """Return the tables that a prompt shows, in its order."""
    return _SHOWN.findall(prompt)


def named(names: Sequence[str]) -> str:
    return json.dumps(list(names))
