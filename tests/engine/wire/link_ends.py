"""What arrives at the two ends of a link, for tests."""

from __future__ import annotations

import asyncio
import queue

from engine.wire.link import RouterLink
from engine.wire.messages import WireMessage
from tests.waiting import GUARD_SECONDS


class Inbox:
    """Collects what a dealer receives, in its thread."""

    def __init__(self) -> None:
        self.messages: queue.Queue[WireMessage] = queue.Queue()

    def __call__(self, message: WireMessage) -> None:
        self.messages.put(message)

    async def next(self) -> WireMessage:
        return await asyncio.to_thread(self.messages.get, True, GUARD_SECONDS)


async def received(router: RouterLink, seconds: float = GUARD_SECONDS) -> tuple[bytes, WireMessage]:
    return await asyncio.wait_for(router.recv(), seconds)
