"""New keys on their way into a runtime's queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger(__name__)


class Rekeys:
    """Gives keys to ``deliver``, which may block: from one thread, and all that came meanwhile at once.

    Use from one event loop.
    """

    def __init__(self, deliver: Callable[[Mapping[str, float]], None]) -> None:
        self._deliver = deliver
        self._keys: dict[str, float] = {}
        self._thread = ThreadPoolExecutor(1, "rekeys")
        self._task: asyncio.Task[None] | None = None

    def add(self, rid: str, key: float) -> None:
        """Have ``key`` delivered for request ``rid`` soon; a later one replaces it."""
        self._keys[rid] = key
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="rekeys")

    async def _run(self) -> None:
        while self._keys:
            keys, self._keys = self._keys, {}
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._deliver, keys)
            except Exception:
                logger.exception("%d requests keep their old keys", len(keys))
