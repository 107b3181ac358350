"""A growing text in pieces that don't depend on how it grew.

SGLang's streaming parsers are made for pieces that are tokens: they miss a mark that comes in two pieces, and
what follows a call in the same piece.  Here a stream's pieces have any size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MARKS = (
    r"<[|｜][\w|｜▁:=.\- ]{0,48}>",  # <|tool_call_begin|>, <｜tool▁sep｜>
    r"<[/\w][\w:=.\-]{0,48}>",  # <tool_call>, </tool_call>, <parameter=query>
    r"\[/?[A-Z_]{1,24}\]",  # [TOOL_CALLS]
)
_BEGUN_MARKS = (
    r"<(?:[|｜][\w|｜▁:=.\- ]{0,48})?",
    r"<[/\w][\w:=.\-]{0,48}",
    r"\[/?[A-Z_]{0,24}",
)
_WORD = r"[A-Za-z0-9_]{1,32}"
_WORDS = r"[A-Za-z0-9_ .,:=+*/%()'-]{1,32}"


def _patterns(words: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what a piece is, and what at a text's end may still become another one."""
    longer = words.replace("{1,32}", "{1,31}")
    piece = re.compile("|".join([*_MARKS, words, "."]), re.DOTALL)
    return piece, re.compile("(?:" + "|".join([*_BEGUN_MARKS, longer]) + r")\Z")


_FINE, _COARSE = _patterns(_WORD), _patterns(_WORDS)


class TextPieces:
    """Cuts a text into marks, words and single characters; what may go on is held back.

    ``coarse``: several words are a piece.  Parsers read the arguments of a call from their beginning for each
    piece, and long ones took seconds.
    """

    def __init__(self) -> None:
        self.coarse = False
        self._held = ""

    def take(self, text: str) -> Iterator[str]:
        """Yield the pieces that are complete with the next ``text``."""
        text = self._held + text
        start = 0
        while start < len(text):
            piece, unfinished = _COARSE if self.coarse else _FINE
            if unfinished.match(text, start):
                break
            found = piece.match(text, start)
            assert found is not None  # a single character always matches
            start = found.end()
            yield found[0]
        self._held = text[start:]

    def rest(self) -> Iterator[str]:
        """Yield the pieces of what was held back, once the text has ended."""
        rest, self._held = self._held, ""
        piece, _ = _COARSE if self.coarse else _FINE
        yield from piece.findall(rest)
