"""What a runtime's prefix cache holds, kept in step with its events and reported to the controller."""

from __future__ import annotations

import logging
from collections.abc import Callable

from engine.sglang.kv_blocks import KvBlocks
from engine.wire.messages import CacheChanged, WireMessage
from sched.events import CacheScope

logger = logging.getLogger(__name__)

Send = Callable[[WireMessage], bool]
"""Sends to the controller; returns whether there was room for it."""


class KvFeed:
    """Listens to a runtime's events (``engine/sglang/kv_link.py``) and reports its blocks.

    ``read`` applies a batch of events.  Reports are numbered; the first one carries everything, each later
    one what changed.  One thread listens; :meth:`ask` may be called from any.
    """

    def __init__(self, runtime: str, read: Callable[[bytes, KvBlocks], None]) -> None:
        self._runtime = runtime
        self._read = read
        self._blocks = KvBlocks()
        self._readable = True
        self._send: Send | None = None
        self._asks = self._answered = 0
        self._told = CacheScope.UNKNOWN
        self._sequence = 0

    def ask(self, send: Send) -> None:
        """Report to ``send`` from now on, at first everything."""
        self._send = send
        self._asks += 1

    def batch(self, payload: bytes) -> None:
        """Apply the next batch; after one that can't be read nothing more is told, for good."""
        if not self._readable:
            return
        try:
            self._read(payload, self._blocks)
        except Exception:
            logger.exception("SGLang's cache events can't be read; what it caches is guessed from here on")
            self._readable = False
            self._blocks.lose()

    def lost(self) -> None:
        """Batches are missing: nothing can be told until the cache is cleared."""
        logger.error("SGLang's cache events were lost; what it caches is guessed from here on")
        self._blocks.lose()

    def flush(self) -> bool:
        """Report what is to be reported; return whether that is done (else it must be tried again)."""
        asks = self._asks
        asked, self._answered = asks != self._answered, asks
        added, removed = self._blocks.take_changes()
        if self._send is None:
            return True
        if not self._blocks.complete:
            scope, added, removed = CacheScope.UNKNOWN, [], []
        elif asked or self._told is CacheScope.UNKNOWN:
            scope, added, removed = CacheScope.ALL, list(self._blocks.held), []
        else:
            scope = CacheScope.CHANGES
        if not (asked or added or removed or scope is not self._told):
            return True
        self._sequence += 1
        report = CacheChanged(
            runtime=self._runtime,
            sequence=self._sequence,
            scope=scope,
            added=added,
            removed=removed,
        )
        self._told = scope
        sent = self._send(report)
        if not sent:
            self._answered -= 1  # everything is told next time
        return sent
