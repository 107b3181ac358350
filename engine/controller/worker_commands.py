"""Commands to all workers at once, and their replies: the controller's side of
``engine/worker/command_runner.py``."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from engine.controller.worker_table import WorkerTable
from engine.wire.link import RouterLink
from engine.wire.messages import Command, CommandReply

GRACE_SECONDS = 1.0
"""A worker answers in its time limit, failing that with an error; so much longer is waited for the answer."""


class WorkerCommands:
    """Sends commands to the workers; replies come in through :meth:`reply`.  Use from one event loop.

    ``limit`` bounds the wait for a reply: what it returns raises ``TimeoutError`` after the given seconds.
    """

    def __init__(self, link: RouterLink, workers: WorkerTable) -> None:
        self.limit: Callable[[float], AbstractAsyncContextManager[object]] = asyncio.timeout
        self._link = link
        self._workers = workers
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[CommandReply]] = {}

    async def ask(self, action: str, seconds: float) -> Mapping[str, CommandReply]:
        """Have every runtime do ``action`` within ``seconds``.

        There is a reply for each expected runtime, in their order; ``error`` is set in that of a runtime
        which is missing, doesn't answer in time or can't do it.
        """
        names = self._workers.expected
        replies = await asyncio.gather(*(self._ask(name, action, seconds) for name in names))
        return dict(zip(names, replies, strict=True))

    def reply(self, _identity: bytes, message: CommandReply) -> None:
        """Take a worker's answer; one that nobody waits for any more is dropped."""
        waiting = self._waiting.get(message.rid)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    async def _ask(self, name: str, action: str, seconds: float) -> CommandReply:
        worker = self._workers.get(name)
        if worker is None:
            return CommandReply(runtime=name, error="the runtime is not up")
        rid = str(next(self._numbers))
        answer: asyncio.Future[CommandReply] = asyncio.get_running_loop().create_future()
        self._waiting[rid] = answer
        try:
            if not self._link.send(worker.identity, Command(rid=rid, action=action, seconds=seconds)):
                return CommandReply(runtime=name, error="the runtime could not be reached")
            async with self.limit(seconds + GRACE_SECONDS):
                return await answer
        except TimeoutError:
            return CommandReply(runtime=name, error=f"no answer within {seconds:g} s")
        finally:
            del self._waiting[rid]
