"""What the user says about tables and columns, from a file."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plugins.text2sql.databases.schema import Column, Table
from sched.errors import ConfigError

MAX_TABLE_CHARACTERS = 300
MAX_COLUMN_CHARACTERS = 160
MAX_FILE_BYTES = 16_000_000
_SHAPE = "give the tables' texts under `tables`, and the columns' under `columns`, by table and column"


@dataclass(frozen=True, slots=True)
class Descriptions:
    """The texts of tables, and of the columns of each, by names in small letters: capitals don't count.

    Each text is one line of at most ``MAX_TABLE_CHARACTERS`` or ``MAX_COLUMN_CHARACTERS``.
    """

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def describe(self, table: Table) -> Table:
        """Return ``table`` with what is said about it and its columns."""
        name = table.name.lower()
        texts = self.columns.get(name, {})
        if not texts and name not in self.tables:
            return table
        columns = [_described(column, texts.get(column.name.lower(), "")) for column in table.columns]
        return replace(table, columns=tuple(columns), description=self.tables.get(name, ""))

    def strangers(self, tables: Iterable[Table]) -> list[str]:
        """Return the names described that ``tables`` don't have: ``table`` or ``table.column``."""
        known = {table.name.lower(): {column.name.lower() for column in table.columns} for table in tables}
        return [table for table in dict.fromkeys([*self.tables, *self.columns]) if table not in known] + [
            f"{table}.{column}"
            for table, texts in self.columns.items()
            for column in texts
            if table in known and column not in known[table]
        ]


NO_DESCRIPTIONS = Descriptions()


def read_descriptions(path: Path) -> Descriptions:
    """Return what a file or a folder says.

    A TOML or JSON file has ``tables`` (texts by name) and ``columns`` (by table, texts by name).  A folder
    has BIRD's layout: a CSV file per table, with the columns ``original_column_name``, ``column_name``,
    ``column_description`` and ``value_description``.

    Raises:
        ConfigError: it can't be read, or has another form.
    """
    try:
        if path.is_dir():
            return _folder(path)
        text = _text(path)
        found = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", field="descriptions") from error
    except (ValueError, csv.Error) as error:
        raise ConfigError(f"{path} can't be read: {error}", field="descriptions") from error
    return _checked(found, path)


def _checked(found: Any, path: Path) -> Descriptions:
    if not isinstance(found, dict) or not found.keys() <= {"tables", "columns"}:
        raise ConfigError(f"{path}: {_SHAPE}", field="descriptions")
    tables, columns = found.get("tables", {}), found.get("columns", {})
    groups = [tables, *(columns.values() if isinstance(columns, dict) else [columns])]
    for texts in groups:
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise ConfigError(f"{path}: {_SHAPE}", field="descriptions")
    return Descriptions(
        _bounded(tables, MAX_TABLE_CHARACTERS),
        {table.lower(): _bounded(texts, MAX_COLUMN_CHARACTERS) for table, texts in columns.items()},
    )


def _folder(path: Path) -> Descriptions:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() == ".csv")
    if not files:
        raise ConfigError(f"{path} has no CSV file; name one per table", field="descriptions")
    columns = {file.stem.lower(): _bounded(_rows(file), MAX_COLUMN_CHARACTERS) for file in files}
    return Descriptions(columns=columns)


def _rows(file: Path) -> dict[str, str]:
    texts = {}
    reader = csv.DictReader(io.StringIO(_text(file)))
    if "original_column_name" not in map(str.strip, reader.fieldnames or ()):
        raise ConfigError(f"{file} has no column original_column_name", field="descriptions")
    for row in reader:
        cells = {key.strip(): (value or "").strip() for key, value in row.items() if isinstance(key, str)}
        name = cells["original_column_name"]
        said = [cells.get(key, "") for key in ("column_name", "column_description", "value_description")]
        # Many rows say the same thing twice.
        different = {_plain(text): text for text in reversed(said) if _plain(text) not in ("", _plain(name))}
        texts[name] = "; ".join(reversed(different.values()))
    return texts


def _text(file: Path) -> str:
    if file.stat().st_size > MAX_FILE_BYTES:
        raise ConfigError(f"{file} has more than {MAX_FILE_BYTES:,} bytes", field="descriptions")
    content = file.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _bounded(texts: Mapping[str, str], most: int) -> dict[str, str]:
    found = {}
    for name, text in texts.items():
        line = " ".join(text.split())
        if line:
            found[name.lower()] = line if len(line) <= most else line[: most - 1].rstrip() + "…"
    return found


def _described(column: Column, text: str) -> Column:
    return replace(column, description=text) if text else column
