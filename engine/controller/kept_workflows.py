"""Ended workflows in memory, as JSON: the latest ones, as many as a number of bytes holds."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice

MOST_KEPT = 1000
_MOST_LEFT = 10_000


class KeptWorkflows:
    """Up to ``MOST_KEPT`` workflows in ``max_bytes``; the oldest leave first.  ``size``: their bytes.

    Of each there is a line (``journal/lines.py``) and the JSON of its summary.
    """

    def __init__(self, max_bytes: int) -> None:
        self.size = 0
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()
        self._left: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, workflow_id: str, line: bytes, summary: bytes) -> None:
        """Keep a workflow that has ended, instead of an earlier one of that id."""
        self._drop(workflow_id)
        self._left.pop(workflow_id, None)
        self._kept[workflow_id] = (line, summary)
        self.size += len(line) + len(summary)
        while self._kept and (self.size > self._max_bytes or len(self._kept) > MOST_KEPT):
            oldest = next(iter(self._kept))
            self._drop(oldest)
            self._left[oldest] = None
            if len(self._left) > _MOST_LEFT:
                self._left.popitem(last=False)

    def line(self, workflow_id: str) -> bytes | None:
        """Return a workflow's line, ``None`` if it is not here."""
        kept = self._kept.get(workflow_id)
        return None if kept is None else kept[0]

    def summaries(self, limit: int) -> list[bytes]:
        """Return the JSON of up to ``limit`` summaries, newest first."""
        return [summary for _, summary in islice(reversed(self._kept.values()), limit)]

    def has_left(self, workflow_id: str) -> bool:
        """Whether the workflow had to leave, as far as that is remembered (10,000 ids)."""
        return workflow_id in self._left

    def _drop(self, workflow_id: str) -> None:
        self.size -= sum(map(len, self._kept.pop(workflow_id, ())))
