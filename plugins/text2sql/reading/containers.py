"""The parts of an answer that are set apart: fenced blocks, JSON values, tagged text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from plugins.text2sql.reading.sql_lexer import tokens

_OPENING = re.compile(
    r"(?P<fence>`{3,}|(?<![^\n])[ \t]*~{3,})"
    r"|[{,]\s*\"\w{0,40}(?:sql|query|statement)\w{0,40}\"\s*:\s*(?P<json>\"(?:[^\"\\]|\\.)*+\")"
    r"|<(?P<tag>sql|sql_?query|query|statement|(?:final_?)?answer|final|output|result)>",
    re.IGNORECASE | re.DOTALL,
)
_BEGINS = re.compile(r"(?:\s+|--[^\n]*\n|/\*(?s:.*?)\*/)*+[(\s]*(?:select|with)\b", re.IGNORECASE)
_JSON = re.compile(r"\s*[{\[]")
_INFO = re.compile(r"[ \t]*(?P<word>[a-z][\w+#.-]*)?[ \t]*(?P<newline>\r?\n)?", re.IGNORECASE)
_NOTES = frozenset(
    {"", "txt", "text", "plain", "plaintext", "markdown", "md", "json", "jsonc", "xml", "output"}
)
_SQL_LANGUAGES = re.compile(
    r".*sql.*|duckdb|postgres|snowflake|bigquery|oracle|redshift|trino|presto|spark|hive|clickhouse|databricks"
    r"|query|db2|teradata|mssql|statement",
    re.IGNORECASE,
)
_MAX_DEPTH = 3
_MAX_RUNS_IN_LITERALS = 8


@dataclass(frozen=True, slots=True)
class Container:
    """Text that is set apart; ``closed`` unless its end is missing, ``is_sql`` if it is said to be SQL."""

    text: str
    closed: bool = True
    is_sql: bool = True


@dataclass(frozen=True, slots=True)
class _Found:
    """A container and where the text goes on."""

    end: int
    container: Container | None


def find_containers(
    text: str, dialect: str, covered: Callable[[int, int], int | None], depth: int = 0
) -> list[Container]:
    """Return the containers in ``text`` that may hold SQL, in order, inner ones in place of the outer.

    What begins in a string of a statement outside is part of that string: ``covered(start, opening)`` returns
    where such a statement ends, if one that begins at or after ``start`` has a string around ``opening``.
    """
    found: list[Container] = []
    position = 0
    unclosed_tags: set[str] = set()
    while opening := _OPENING.search(text, position):
        if end := covered(position, opening.start()):
            position = end
            continue
        if opening["fence"]:
            result = _fenced(text, opening, dialect)
        elif opening["json"]:
            result = _json_value(opening)
        else:
            result = _tagged(text, opening, unclosed_tags)
        position = max(result.end, opening.start() + 1)
        container = result.container
        if container is None:
            continue
        inner: list[Container] = []
        if depth < _MAX_DEPTH and not _BEGINS.match(container.text):
            inner = find_containers(container.text, dialect, lambda _start, _opening: None, depth + 1)
        found += inner or [container]
    return found


def _json_value(opening: re.Match[str]) -> _Found:
    try:
        value = json.loads(opening["json"], strict=False)
    except ValueError:
        return _Found(opening.end(), None)
    return _Found(opening.end(), Container(value))


def _tagged(text: str, opening: re.Match[str], unclosed: set[str]) -> _Found:
    """Return the text up to the closing tag; ``unclosed`` are the tags without one from here on."""
    name = opening["tag"].lower()
    if name not in unclosed:
        if closing := re.compile(f"</{name}>", re.IGNORECASE).search(text, opening.end()):
            return _Found(closing.end(), Container(text[opening.end() : closing.start()]))
        unclosed.add(name)
    if _BEGINS.match(text, opening.end()):
        return _Found(len(text), Container(text[opening.end() :], closed=False))
    return _Found(opening.end(), None)


def _fenced(text: str, opening: re.Match[str], dialect: str) -> _Found:
    """Return the block; a fence that another opens is closed by it."""
    run = opening["fence"].strip()
    info = _INFO.match(text, opening.end())
    assert info is not None  # it may be empty
    word = (info["word"] or "").lower()
    start = info.end()
    if word in ("select", "with"):
        word, start = "", info.start("word")
    closing = _closing(text, start, run, dialect)
    inside = text[start : closing.start() if closing else len(text)]
    is_sql = _SQL_LANGUAGES.fullmatch(word) is not None or _BEGINS.match(inside) is not None
    known = is_sql or word in _NOTES or not info["newline"]
    container = Container(inside, closing is not None, is_sql) if known else None
    if closing is None:
        return _Found(len(text), container)
    at_line_start = not text[text.rfind("\n", start, closing.start()) + 1 : closing.start()].strip()
    opens = at_line_start and re.compile(r"[A-Za-z]").match(text, closing.end())
    return _Found(closing.start() if opens else closing.end(), container)


def _closing(text: str, start: int, run: str, dialect: str) -> re.Match[str] | None:
    """Return the closing fence: in SQL one that is no part of a literal, of JSON one that begins a line."""
    indent = "" if run[0] == "`" else r"^[ \t]*"
    runs = re.compile(rf"{indent}{run[0]}{{{len(run)},}}", re.MULTILINE)
    first = runs.search(text, start)
    if first is None:
        return None
    if _JSON.match(text, start):
        return re.compile(rf"^[ \t]*{run[0]}{{{len(run)},}}", re.MULTILINE).search(text, start) or first
    if not _BEGINS.match(text, start, first.start()):
        return first
    following = list(islice(runs.finditer(text, first.start()), _MAX_RUNS_IN_LITERALS + 1))
    for token in tokens(text, dialect, start, following[-1].end()):
        if token.lastgroup == "unclosed":
            return first
        if token.lastgroup == "fence" and (closing := runs.match(text, token.start())):
            return closing
        # A comment hides no fence at the end of its line.
        if (
            token[0].startswith("--")
            and token[0].rstrip().endswith(run)
            and (closing := runs.search(text, token.start()))
        ):
            return closing
    return None if len(following) <= _MAX_RUNS_IN_LITERALS else first
