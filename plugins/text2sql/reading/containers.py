"""The parts of an answer that are set apart: fenced blocks, JSON values, tagged text."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from plugins.text2sql.databases.safety import MAX_STATEMENT_CHARACTERS
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
# Lines of a block quote, from one on in which code or a statement begins.
_QUOTED = re.compile(
    r"^[ \t]*>[ \t]?(?=[ \t]*(?:`{3}|~{3}|(?:select|with)\b)).*(?:\n[ \t]*>.*)*", re.MULTILINE | re.IGNORECASE
)
_QUOTE_MARK = re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE)
_CDATA = re.compile(r"\s*<!\[CDATA\[(.*)\]\]>\s*", re.DOTALL)
# Elsewhere, the name of a character may be part of a text.
_COMPARED = re.compile(r"\w\"?\s*&(?:lt|gt);\s*(?:&gt;|=)?\s*[\w('\"]", re.ASCII)
_NOTES = frozenset(
    {"", "txt", "text", "plain", "plaintext", "markdown", "md", "json", "jsonc", "xml", "output"}
)
_SQL_LANGUAGES = re.compile(
    r".*sql.*|duckdb|postgres|snowflake|bigquery|oracle|redshift|trino|presto|spark|hive|clickhouse|databricks"
    r"|query|db2|teradata|mssql|statement",
    re.IGNORECASE,
)
_MAX_DEPTH = 3
_MAX_BEFORE = 500
"""So many characters of space and comments may precede a statement behind a tag that is never closed."""
_MAX_BEYOND = 5 * MAX_STATEMENT_CHARACTERS


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


def without_quote_marks(text: str) -> str:
    """Return ``text`` without the ``>`` before the lines of block quotes that hold code or a statement."""
    return _QUOTED.sub(lambda quoted: _QUOTE_MARK.sub("", quoted[0]), text)


def find_containers(
    text: str, dialect: str, covered: Callable[[int, int], int | None]
) -> tuple[list[Container], str]:
    """Return the containers in ``text`` that may hold SQL, in order, inner ones in place of the outer.

    What begins in a string of a statement outside is part of that string: ``covered(start, opening)`` returns
    where such a statement ends, if one that begins at or after ``start`` has a string around ``opening``.
    Also returned is ``text`` without blocks in other languages.
    """
    finder = _Finder(dialect)
    found = finder.find(text, covered)
    for start, end in reversed(finder.other_code):
        text = f"{text[:start]}```{text[end:]}"
    return found, text


class _Finder:
    """Finds containers; owns how much may still be read beyond the first fence that may close a block.

    ``other_code`` are the blocks in other languages outside containers: where each begins and ends.
    """

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.beyond = _MAX_BEYOND
        self.other_code: list[tuple[int, int]] = []

    def find(self, text: str, covered: Callable[[int, int], int | None], depth: int = 0) -> list[Container]:
        """Return the containers in ``text``, which is ``depth`` containers deep."""
        found: list[Container] = []
        position = 0
        unclosed_tags: set[str] = set()
        while opening := _OPENING.search(text, position):
            if end := covered(position, opening.start()):
                position = end
                continue
            if opening["fence"]:
                result = self._fenced(text, opening)
            elif opening["json"]:
                result = _json_value(opening)
            else:
                result = _tagged(text, opening, unclosed_tags)
            position = max(result.end, opening.start() + 1)
            container = result.container
            if container is None:
                if opening["fence"] and depth == 0:
                    self.other_code.append((opening.start(), position))
                continue
            inner: list[Container] = []
            if depth < _MAX_DEPTH and not _BEGINS.match(container.text):
                inner = self.find(container.text, lambda _start, _opening: None, depth + 1)
            found += inner or [container]
        return found

    def _fenced(self, text: str, opening: re.Match[str]) -> _Found:
        """Return the block; a fence that another opens is closed by it."""
        run = opening["fence"].strip()
        info = _INFO.match(text, opening.end())
        assert info is not None  # it may be empty
        word = (info["word"] or "").lower()
        start = info.end()
        if word in ("select", "with"):
            word, start = "", info.start("word")
        closing = self._closing(text, start, run)
        inside = text[start : closing.start() if closing else len(text)]
        is_sql = _SQL_LANGUAGES.fullmatch(word) is not None or _BEGINS.match(inside) is not None
        known = is_sql or word in _NOTES or not info["newline"]
        container = Container(inside, closing is not None, is_sql) if known else None
        if closing is None:
            return _Found(len(text), container)
        at_line_start = not text[text.rfind("\n", start, closing.start()) + 1 : closing.start()].strip()
        opens = at_line_start and re.compile(r"[A-Za-z]").match(text, closing.end())
        return _Found(closing.start() if opens else closing.end(), container)

    def _closing(self, text: str, start: int, run: str) -> re.Match[str] | None:
        """Return the closing fence: in SQL one outside literals, of JSON one that begins a line."""
        indent = "" if run[0] == "`" else r"^[ \t]*"
        runs = re.compile(rf"{indent}{run[0]}{{{len(run)},}}", re.MULTILINE)
        first = runs.search(text, start)
        if first is None:
            return None
        if _JSON.match(text, start):
            return re.compile(rf"^[ \t]*{run[0]}{{{len(run)},}}", re.MULTILINE).search(text, start) or first
        if not _BEGINS.match(text, start, first.start()):
            return first
        stop = min(len(text), first.end() + min(self.beyond, MAX_STATEMENT_CHARACTERS))
        at, unclosed = start, False
        for token in tokens(text, self.dialect, start, stop):
            at = token.end()
            if unclosed := token.lastgroup == "unclosed":
                break
            # A comment hides no fence at the end of its line.
            hidden = not (token[0].startswith("--") and token[0].rstrip().endswith(run))
            if token.lastgroup != "fence" and hidden:
                continue
            if closing := runs.search(text, token.start(), token.end()):
                self.beyond -= max(0, closing.end() - first.end())
                return closing
        self.beyond -= max(0, at - first.end())
        if stop < len(text) and not unclosed:
            return first
        if not unclosed:
            return None
        # A literal never ends: a fence in the midst of a line may be part of it.
        edges = re.compile(
            rf"^[ \t]*{run[0]}{{{len(run)},}}|{run[0]}{{{len(run)},}}(?=[ \t]*$)", re.MULTILINE
        )
        return edges.search(text, first.start())


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
            inside = _unescaped(text[opening.end() : closing.start()])
            return _Found(closing.end(), Container(inside))
        unclosed.add(name)
    if _BEGINS.match(text, opening.end(), opening.end() + _MAX_BEFORE):
        return _Found(len(text), Container(text[opening.end() :], closed=False))
    return _Found(opening.end(), None)


def _unescaped(inside: str) -> str:
    """Return what XML means by ``inside``, if it is written as XML."""
    if data := _CDATA.fullmatch(inside):
        return data[1]
    return html.unescape(inside) if _COMPARED.search(inside) else inside
