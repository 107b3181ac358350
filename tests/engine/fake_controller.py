"""A controller's end of the link to workers, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.wire.link import RouterLink
from engine.wire.messages import (
    RID_LENGTH,
    Failed,
    Finished,
    Generate,
    Heartbeat,
    Hello,
    Ping,
    Welcome,
    WireMessage,
)
from tests.waiting import GUARD_SECONDS


def rid(name: str) -> str:
    """Return a request id of the fixed length."""
    return name.ljust(RID_LENGTH, "-")


class FakeController:
    """Listens on ``endpoint``, welcomes and pings workers while ``pinging``, and keeps what they send."""

    def __init__(self, endpoint: str, *, ping_seconds: float = 0.2) -> None:
        self.endpoint = endpoint
        self.link = RouterLink(endpoint)
        self.hellos: dict[str, Hello] = {}
        self.heartbeats: list[Heartbeat] = []
        self.received: list[WireMessage] = []
        self.pinging = True
        self.fresh = False
        self._ping_seconds = ping_seconds
        self._changed = asyncio.Condition()
        self._tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._ping())]

    async def close(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.link.close()

    async def _receive(self) -> None:
        while True:
            identity, message = await self.link.recv()
            async with self._changed:
                if isinstance(message, Hello):
                    self.hellos[message.runtime] = message
                    if self.pinging:
                        self.link.send(
                            identity, Welcome(epoch="test", fresh=self.fresh, connection=message.connection)
                        )
                elif isinstance(message, Heartbeat):
                    self.heartbeats.append(message)
                else:
                    self.received.append(message)
                self._changed.notify_all()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._ping_seconds)
            if self.pinging:
                for runtime in self.hellos:  # one that has ended is missed by nobody
                    self.link.send(runtime.encode(), Ping(epoch="test"))

    def send(self, runtime: str, *messages: WireMessage) -> None:
        """Send ``messages`` to ``runtime``."""
        for message in messages:
            assert self.link.send(runtime.encode(), message)

    def of(self, name: str) -> list[WireMessage]:
        """Return what came for the request ``name``, in order."""
        return [message for message in self.received if message.rid == rid(name)]

    def endings(self) -> list[str]:
        """Return the names of the ended requests, in the order of their ends."""
        return [m.rid.rstrip("-") for m in self.received if isinstance(m, Finished | Failed)]

    async def until(self, condition: Callable[[], bool], seconds: float = GUARD_SECONDS) -> None:
        """Wait until what came makes ``condition`` true."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)

    async def ending(self, name: str, seconds: float = GUARD_SECONDS) -> Finished | Failed:
        """Return how the request ``name`` ended."""
        ended: list[Finished | Failed] = []

        def found() -> bool:
            ended.extend(m for m in self.of(name) if isinstance(m, Finished | Failed))
            return bool(ended)

        await self.until(found, seconds)
        return ended[0]

    async def hello(self, runtime: str, seconds: float = GUARD_SECONDS) -> Hello:
        """Return the introduction of ``runtime``."""
        await self.until(lambda: runtime in self.hellos, seconds)
        return self.hellos[runtime]

    async def begun(self, name: str) -> None:
        """Wait for the first token of the request ``name``."""
        await self.until(lambda: bool(self.of(name)))

    async def heartbeat(self, condition: Callable[[Heartbeat], bool]) -> Heartbeat:
        """Return the latest heartbeat once ``condition`` holds for it."""
        await self.until(lambda: bool(self.heartbeats) and condition(self.heartbeats[-1]))
        return self.heartbeats[-1]

    async def load(self, running: int, waiting: int) -> None:
        """Wait for a heartbeat that reports ``running`` and ``waiting`` requests."""
        await self.heartbeat(lambda beat: (beat.running, beat.waiting) == (running, waiting))

    async def finished(self, runtime: str, request: Generate) -> Finished:
        """Send ``request`` and return its normal end."""
        self.send(runtime, request)
        ending = await self.ending(request.rid.rstrip("-"))
        assert isinstance(ending, Finished), ending
        return ending

    async def failure(self, name: str, seconds: float = GUARD_SECONDS) -> str:
        """Return the code with which the request ``name`` fails."""
        ending = await self.ending(name, seconds)
        assert isinstance(ending, Failed), ending
        return ending.code
