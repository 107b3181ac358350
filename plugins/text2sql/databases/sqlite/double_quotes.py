"""Words in double quotes are names.

Where no column has such a name, SQLite takes ``"word"`` for a text, so that a misspelt name gives wrong
rows instead of an error.  Names in backquotes have no second meaning.  (SQLite can turn the second meaning
off, but only Python 3.12 lets a connection do so.)
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?P<name>(?:[^"]|"")*)" | `(?:[^`]|``)*` | \[[^\]]*\]
        | --[^\n]* | /\*.*?(?:\*/|\Z)""",
    re.DOTALL | re.VERBOSE,
)


def with_backquotes(statement: str) -> str:
    """Return ``statement`` with every name in double quotes put in backquotes; texts and comments stay."""
    return _TOKEN.sub(_in_backquotes, statement)


def _in_backquotes(token: re.Match[str]) -> str:
    name = token["name"]
    return token[0] if name is None else "`" + name.replace('""', '"').replace("`", "``") + "`"
