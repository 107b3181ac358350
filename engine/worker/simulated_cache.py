"""The prefix cache of a simulated runtime, which reports what it holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from engine.wire.messages import CacheChanged, WireMessage
from sched.cache.prefix import PrefixIndex, block_chain
from sched.events import CacheScope


class SimulatedCache:
    """Keeps the latest prompts that fit into ``capacity_tokens``."""

    def __init__(self, runtime: str, capacity_tokens: int) -> None:
        self._runtime = runtime
        self._index = PrefixIndex(capacity_tokens)
        self._send: Callable[[WireMessage], bool] | None = None
        self._told: set[int] = set()
        self._numbers = itertools.count(1)

    def cached_tokens(self, token_ids: bytes) -> int:
        """Return how many leading tokens of a prompt (int32) are cached."""
        return self._index.cached_tokens(block_chain(token_ids), len(token_ids) // 4)

    def insert(self, token_ids: bytes) -> None:
        """Cache a prompt."""
        self._index.credit(block_chain(token_ids))
        self._tell(CacheScope.CHANGES)

    def clear(self) -> None:
        """Forget all prompts."""
        self._index.clear()
        self._tell(CacheScope.CHANGES)

    def report(self, send: Callable[[WireMessage], bool]) -> None:
        """Report everything to ``send``, and from then on every change."""
        self._send, self._told = send, set()
        self._tell(CacheScope.ALL)

    def _tell(self, scope: CacheScope) -> None:
        held = set(self._index.blocks)
        if self._send is None or (scope is CacheScope.CHANGES and held == self._told):
            return
        self._send(
            CacheChanged(
                runtime=self._runtime,
                sequence=next(self._numbers),
                scope=scope,
                added=list(held - self._told),
                removed=list(self._told - held),
            )
        )
        self._told = held
