"""All runtimes of this server at once, for its operator: state, loads, health, empty caches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from engine.controller.core_driver import CoreDriver
from engine.wire import actions
from engine.wire.messages import CommandReply
from sched import events as ev
from sched.errors import ConflictError, RuntimeFailureError, UnavailableError

QUICK_SECONDS = 2.0
"""Time for what a runtime only has to look up; a long forward pass may be in the way."""
FLUSH_SECONDS = 10.0
SETTLE_SECONDS = 1.0
"""Within this time a runtime has ended what was aborted."""


class Fleet:
    """The runtimes behind ``driver``.  Use from one event loop."""

    def __init__(self, driver: CoreDriver) -> None:
        self._driver = driver

    def describe(self) -> list[dict[str, Any]]:
        """Return one dictionary per expected runtime: what it says of itself, and what is believed of it."""
        described = self._driver.workers.describe()
        for description in described:
            if runtime := self._driver.dispatcher.runtimes.get(description["name"]):
                description["prefix_cache"] = runtime.cache.describe()
                description["speed"] = runtime.latency.describe()
                description["prediction_errors"] = runtime.outlook.describe()
        return described

    async def loads(self) -> list[dict[str, Any]]:
        """Return the load of each scheduler of the runtimes that answer, as SGLang's ``/v1/loads``.

        ``dp_rank`` counts through all of them; ``runtime`` and ``num_held_reqs``, the calls placed there
        and held back in the controller, are ours.
        """
        replies = await self._driver.worker_commands.ask(actions.LOADS, QUICK_SECONDS)
        found: list[dict[str, Any]] = []
        for name, reply in replies.items():
            believed = self._driver.dispatcher.runtimes.get(name)
            held = 0 if believed is None else believed.held_calls
            for load in reply.result or ():
                ours = {"dp_rank": len(found), "runtime": name, "num_held_reqs": held}
                found.append(load | ours)
        return found

    async def server_infos(self) -> dict[str, dict[str, Any]]:
        """Return what the runtimes that answer say of themselves, as SGLang's ``/server_info``."""
        replies = await self._driver.worker_commands.ask(actions.SERVER_INFO, QUICK_SECONDS)
        return {name: reply.result for name, reply in replies.items() if reply.result}

    async def health(self, seconds: float) -> Mapping[str, CommandReply]:
        """Have every runtime generate a token within ``seconds``; return how that went for each."""
        return await self._driver.worker_commands.ask(actions.HEALTH, seconds)

    async def flush_caches(self, wait_seconds: float) -> None:
        """Empty every runtime's prefix cache, once nothing runs, and forget what is believed of it.

        Raises:
            UnavailableError: no runtime is up.
            ConflictError: calls are still in flight after ``wait_seconds``.
            RuntimeFailureError: a runtime can't do it.
        """
        clock, pending = self._driver.clock, self._driver.pending
        deadline = clock() + (wait_seconds if pending else max(wait_seconds, SETTLE_SECONDS))
        while busy := await self._flush():
            if clock() >= deadline:
                raise ConflictError(f"the caches can't be flushed: {busy}; wait for them or abort them")
            await asyncio.sleep(0.05)

    async def _flush(self) -> str:
        """Flush if nothing runs; return what does, else an empty string."""
        workers, pending = self._driver.workers, self._driver.pending
        if pending:
            return f"{len(pending)} calls are in flight"
        if not len(workers):
            raise UnavailableError("no runtime is up", retry_after=2.0)
        busy = ""
        replies = await self._driver.worker_commands.ask(actions.FLUSH_CACHE, FLUSH_SECONDS)
        for name, reply in replies.items():
            if workers.get(name) is None:
                continue  # it comes back empty
            if reply.error:
                raise RuntimeFailureError(f"runtime {name} can't flush its cache: {reply.error}")
            if reply.result:
                self._driver.handle(ev.CacheFlushed(name))
            else:
                busy = f"calls still run on runtime {name}"
        return busy
