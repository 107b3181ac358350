"""Whether anything ran twice, by what the runtimes wrote down (``engine/worker/run_ledger.py``)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.worker.run_ledger import BEGAN, CAME

_ATTEMPT_CHARACTERS = 2
_OF_CALL = re.compile(r".{6}[0-9a-f]{18}")
"""The form of ``engine.controller.calls.RequestIds``: the controller's life, the call, the attempt."""


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """What happened to an attempt at a call, at ``at`` on the machine's monotonic clock.

    ``call`` names it among all controllers of the machine; attempts count from 1.
    """

    at: float
    what: str
    call: str
    attempt: int


def read_ledger(path: Path) -> list[LedgerLine]:
    """Return the lines about calls, in order; there are none without the file.

    Requests of other ids, such as a runtime's own while it is measured, are left out.
    """
    if not path.exists():
        return []
    lines = []
    for text in path.read_text("ascii").splitlines():
        at, what, rid = text.split(" ", 2)
        if _OF_CALL.fullmatch(rid):
            call, attempt = rid[:-_ATTEMPT_CHARACTERS], rid[-_ATTEMPT_CHARACTERS:]
            lines.append(LedgerLine(float(at), what, call, int(attempt, 16)))
    return sorted(lines, key=lambda line: line.at)


def run_twice(lines: Iterable[LedgerLine], since: float) -> list[str]:
    """Return the calls of which an attempt began, after ``since``, though it had been given up.

    It had been if a later attempt has come to a runtime.  One that had begun *before* isn't counted: that its
    runtime was lost is why there is another.
    """
    latest: dict[str, int] = defaultdict(int)
    twice = []
    for line in lines:
        if line.what == CAME:
            latest[line.call] = max(latest[line.call], line.attempt)
        elif line.what == BEGAN and line.attempt < latest[line.call] and line.at >= since:
            twice.append(line.call)
    return twice
