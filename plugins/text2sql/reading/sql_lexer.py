"""The tokens of SQL that tell where a statement may end; literals and comments hide what looks like one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import sqlglot

_LONGEST_DOLLARS = 2_000
"""Characters of a text between dollars, where many are opened and none is closed."""


@lru_cache
def _pattern(dialect: str) -> re.Pattern[str]:
    tokenizer = sqlglot.Dialect.get_or_raise(dialect).tokenizer_class
    brackets = r"|\[[^\]\n]*\]" if ("[", "]") in tokenizer.IDENTIFIERS else ""
    single, double = "'[^']*'", '"[^"]*"'
    if "\\" in tokenizer.STRING_ESCAPES:
        single, double = r"'(?:[^'\\]|\\.)*+'", r'"(?:[^"\\]|\\.)*+"'
    more = ""
    if "$" in tokenizer.HEREDOC_STRINGS:  # PostgreSQL and those after it
        more = (
            r"(?<!\w)[eE]'(?:[^'\\]|\\.)*+'"
            rf"|(?<![\w$])\$(?P<mark>\w{{0,40}})\$(?s:.{{0,{_LONGEST_DOLLARS}}}?)\$(?P=mark)\$|"
        )
    return re.compile(
        rf"(?P<fence>`{{3,}}|(?<![^\n])[ \t]*(?:~{{3,}}|(?:'''|\"\"\")(?=[ \t]*(?:\n|\Z))))"
        rf"|(?P<comment>--[^\n]*|/\*(?s:.*?)\*/)"
        rf"|(?P<tag></\w{{1,40}}>|\[/\w{{1,40}}\])"
        rf"|(?P<literal>{more}{single}|{double}|`[^`]*`{brackets})"
        rf"|(?P<word>[^\W\d]\w*(?:'(?:s|t|re|ve|ll|d|m)\b(?!'))?)"
        rf"|(?P<number>\d\w*(?:\.\d\w*)?)"
        rf"|(?P<open>[(])|(?P<close>[)])|(?P<semicolon>;)"
        rf"|(?P<unclosed>['\"`]|/\*)"
        rf"|(?P<other>\S)",
    )


def tokens(text: str, dialect: str, start: int, stop: int) -> Iterator[re.Match[str]]:
    """Yield the tokens of ``text[start:stop]``; ``lastgroup`` of each is its kind.

    Kinds: ``fence`` (of Markdown, or three quotes alone in a line), ``comment``, ``literal`` (also a quoted
    name), ``tag`` (closing), ``word``, ``number``, ``open``, ``close`` (parentheses), ``semicolon``,
    ``unclosed`` (a quote or comment that never ends) and ``other``, one character.
    """
    return _pattern(dialect).finditer(text, start, stop)
