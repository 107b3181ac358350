"""What a worker does besides generating: load, state and metrics, proof of health, an empty cache."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from engine.wire import actions
from engine.wire.messages import RID_LENGTH, Command, CommandReply, Generate, WireMessage
from engine.wire.token_ids import pack_ids
from engine.worker.runtime_interface import Runtime

HEALTH_PRIORITY = 2**31
"""Before every call, whose priority is a 32-bit integer."""
BUSY_SECONDS = 1.0
"""A runtime that has not begun with the health check after this time may be busy with other calls."""


class CommandRunner:
    """Carries commands out on ``runtime``, side by side, and answers each with one reply."""

    def __init__(self, name: str, runtime: Runtime, send: Callable[[WireMessage], object]) -> None:
        self._name = name
        self._runtime = runtime
        self._send = send
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._actions: Mapping[str, Callable[[float], Awaitable[Any]]] = {
            actions.LOADS: lambda _seconds: runtime.loads(),
            actions.SERVER_INFO: lambda _seconds: runtime.server_info(),
            actions.FLUSH_CACHE: lambda _seconds: runtime.flush_cache(),
            actions.HEALTH: self._health,
            actions.METRICS: lambda _seconds: runtime.metrics(),
        }

    def receive(self, command: Command) -> None:
        """Begin to carry out a command; call from the worker's event loop."""
        task = asyncio.create_task(self._run(command), name=command.action)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, command: Command) -> None:
        result, error = None, ""
        action = self._actions.get(command.action)
        if action is None:
            error = f"this worker knows no command {command.action!r}"
        else:
            task = asyncio.ensure_future(action(command.seconds))
            # Not cancelled when it is late: SGLang would take its answer for the next question's.
            done, _ = await asyncio.wait({task}, timeout=command.seconds)
            if not done:
                error = f"no answer within {command.seconds:g} s"
            elif failure := task.exception():
                error = str(failure) or type(failure).__name__
            else:
                result = task.result()
        self._send(CommandReply(rid=command.rid, runtime=self._name, result=result, error=error))

    async def _health(self, seconds: float) -> dict[str, Any]:
        """Have one token generated.

        A full runtime may not begin with it in time; that it goes on with the others is then proof enough.
        """
        started = time.monotonic()
        passes = (await self._runtime.load()).scheduler_steps
        rid = f"health-{next(self._numbers)}".ljust(RID_LENGTH, "-")
        task = asyncio.create_task(self._one_token(rid, seconds))
        busy = False
        try:
            while not busy:
                done, _ = await asyncio.wait({task}, timeout=BUSY_SECONDS)
                if done:
                    await task
                    break
                load = await self._runtime.load()
                busy = load.running > 0 and load.scheduler_steps > passes
        finally:
            task.cancel()
        return {"generated": not busy, "seconds": time.monotonic() - started}

    async def _one_token(self, rid: str, seconds: float) -> None:
        request = Generate(
            rid=rid,
            token_ids=pack_ids([0]),
            sampling={"max_new_tokens": 1, "temperature": 0.0},
            key=0.0,
            sequence=0,
            remaining_seconds=seconds,
            priority=HEALTH_PRIORITY,
        )
        reason: Mapping[str, Any] = {}
        try:
            async with asyncio.timeout(seconds):
                async for output in self._runtime.generate(request):
                    reason = output.finish_reason or {}
        except BaseException:
            self._runtime.abort(rid)
            raise
        if reason.get("type") not in ("length", "stop"):
            raise RuntimeError(f"the token was not generated: {reason.get('message', 'no reason was given')}")
