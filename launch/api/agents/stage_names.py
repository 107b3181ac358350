"""Which stage of a workflow a call is, told by its instructions and its tools."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable

MOST_STAGES = 64
"""Stages that have a name at a time; of more, the one that was called longest ago loses it."""
OTHER = "other"
"""The stage of calls whose instructions were seen for the first time."""

_MOST_SEEN = 4096
_STABLE_CHARACTERS = 1024
_LINE_CHARACTERS = 256
_VARIABLE = re.compile(r"\S*\d\S*")


class StageNames:
    """Names for instructions and tools, the same as long as they are in use.

    Instructions that come once are no stage, such as a system message that holds the question: a name is
    given when they come again.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._names: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._names)

    def name(self, instructions: str, tools: Iterable[str] = ()) -> str | None:
        """Return the stage of a call; ``None`` without instructions and tools.

        Of ``instructions`` the first 1,024 characters count, but for words with a digit (dates, numbers,
        ids) and white space; of ``tools`` their names.
        """
        stable = " ".join(_VARIABLE.sub("#", instructions[:_STABLE_CHARACTERS]).split())
        marks = [stable, *sorted(tools)]
        if marks == [""]:
            return None
        digest = hashlib.sha256("\0".join(marks).encode(errors="replace")).hexdigest()[:8]
        if digest not in self._names:
            if digest not in self._seen:
                self._seen[digest] = None
                if len(self._seen) > _MOST_SEEN:
                    self._seen.popitem(last=False)
                return OTHER
            del self._seen[digest]
            self._names[digest] = None
            if len(self._names) > MOST_STAGES:
                self._seen[self._names.popitem(last=False)[0]] = None
        self._names.move_to_end(digest)
        return f"auto-{digest}"


def first_line(prompt: str) -> str:
    """Return what stands for the instructions of a prompt that is a text: its first line that isn't empty,
    up to 256 characters."""
    return prompt[: 2 * _LINE_CHARACTERS].lstrip().partition("\n")[0][:_LINE_CHARACTERS]
