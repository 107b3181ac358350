"""What stands in a statement because of how it was printed: escapes, and the prompts of a shell."""

from __future__ import annotations

import html
import re

from plugins.text2sql.databases.safety import MAX_STATEMENT_CHARACTERS
from plugins.text2sql.reading.sql_lexer import tokens

# Signs as HTML and Markdown write them; no statement has them outside of literals.
_ESCAPE = re.compile(r"&(?:lt|gt|amp|quot|apos|#0?39|#34);|\\([<>_*=|+\-#!~\[\]()])")
_START = re.compile(r"\b(?:select|with)\b", re.IGNORECASE)
_MOST_STARTS = 64
# A shell's prompt with a statement behind it, and the lines with which the statement goes on.
_SHELL = re.compile(
    r"^[ \t]*(?:\w{1,60}|MariaDB \[[^\]\n]{1,60}\])(?:>|=[#>])[ \t]+(?=\(*(?:select|with)\b).*"
    r"(?:\n[ \t]*(?:\.\.\.>|[-'\"`]>|\w{1,60}[-('\"][#>])(?:[ \t].*)?(?=\n|\Z))+",
    re.IGNORECASE | re.MULTILINE,
)
_PROMPT = re.compile(
    r"^[ \t]*(?:(?:\w{1,60}|MariaDB \[[^\]\n]{1,60}\])(?:>|=[#>])"
    r"|\.\.\.>|[-'\"`]>|\w{1,60}[-('\"][#>])[ \t]?",
    re.MULTILINE,
)


def without_prompts(text: str) -> str:
    """Return ``text`` without a shell's prompts before the lines of a statement of several lines."""
    return _SHELL.sub(lambda lines: _PROMPT.sub("", lines[0]), text)


def without_escapes(text: str, dialect: str) -> str:
    """Return ``text`` with the escapes of HTML and Markdown undone in statements, outside of literals."""
    if not _ESCAPE.search(text):
        return text
    parts: list[str] = []
    done = position = 0
    for _ in range(_MOST_STARTS):
        start = _START.search(text, position)
        if start is None:
            break
        position = start.end()
        stop = min(len(text), start.start() + MAX_STATEMENT_CHARACTERS)
        for token in tokens(text, dialect, start.start(), stop):
            if token.start() < done:
                continue  # the end of an escape
            if token.lastgroup in ("unclosed", "fence", "semicolon", "tag"):
                break
            position = token.end()
            if token.lastgroup == "other" and (escape := _ESCAPE.match(text, token.start())):
                parts += [text[done : escape.start()], escape[1] or html.unescape(escape[0])]
                done = position = escape.end()
    return "".join([*parts, text[done:]])
