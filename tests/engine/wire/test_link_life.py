"""The ZMQ link when its ends come and go, over real sockets."""

from __future__ import annotations

import asyncio
import time

from engine.wire.dealer_link import DealerLink
from engine.wire.link import RouterLink
from engine.wire.messages import AbortRequest, Chunk, Ping, WireMessage
from tests.engine.wire.link_ends import Inbox, received
from tests.waiting import GUARD_SECONDS


async def test_what_is_sent_before_the_controller_exists_arrives(endpoint: str, inbox: Inbox) -> None:
    """A worker may start first: messages wait for the controller."""
    dealer = DealerLink(endpoint, "w", inbox)
    router: RouterLink | None = None
    try:
        assert dealer.send(AbortRequest(rid="early"))
        # First attempts to connect fail meanwhile; were there none, the message would arrive all the same.
        await asyncio.sleep(0.1)
        router = RouterLink(endpoint)
        assert await received(router) == (b"w", AbortRequest(rid="early"))
    finally:
        dealer.close()
        if router is not None:
            router.close()


async def heard(router: RouterLink, dealer: DealerLink, message: WireMessage) -> None:
    """Have ``message`` sent until it arrives: what is on its way when a controller ends is lost with it."""
    receiving = asyncio.create_task(router.recv())
    async with asyncio.timeout(GUARD_SECONDS):
        while True:
            dealer.send(message)
            done, _ = await asyncio.wait({receiving}, timeout=0.05)
            if done and receiving.result() == (b"w", message):
                return
            if done:  # it was said to an earlier controller
                receiving = asyncio.create_task(router.recv())


async def test_a_worker_finds_a_new_controller(endpoint: str, inbox: Inbox) -> None:
    """After the controller's end the worker connects to the next one by itself."""
    dealer = DealerLink(endpoint, "w", inbox)
    try:
        for life in range(2):
            router = RouterLink(endpoint)
            await heard(router, dealer, AbortRequest(rid=f"life {life}"))
            assert router.send(b"w", Ping(epoch=str(life)))
            assert await inbox.next() == Ping(epoch=str(life))
            router.close()
    finally:
        dealer.close()


async def test_a_restarted_worker_takes_over_its_name(
    router: RouterLink, endpoint: str, inbox: Inbox
) -> None:
    """A worker that comes back under the same name gets the messages, though the old link is still open."""
    old = DealerLink(endpoint, "w", lambda message: None)
    old.send(AbortRequest(rid="old"))
    await received(router)
    new = DealerLink(endpoint, "w", inbox)
    try:
        new.send(AbortRequest(rid="new"))
        assert await received(router) == (b"w", AbortRequest(rid="new"))
        assert router.send(b"w", Ping(epoch="e"))
        assert await inbox.next() == Ping(epoch="e")
    finally:
        old.close()
        new.close()


async def test_close_sends_what_is_queued(router: RouterLink, endpoint: str) -> None:
    """The last words of a worker arrive."""
    dealer = DealerLink(endpoint, "w", lambda message: None)
    last = Chunk(rid="x", text="y" * 100_000)
    dealer.send(last)
    dealer.close(linger_seconds=GUARD_SECONDS)
    assert await received(router) == (b"w", last)
    assert not dealer.send(last)


async def test_close_without_a_controller_is_bounded(endpoint: str, inbox: Inbox) -> None:
    """Closing waits no longer than its linger, and leaves no thread."""
    dealer = DealerLink(endpoint, "w", inbox)
    dealer.send(AbortRequest(rid="lost"))
    begun = time.monotonic()
    dealer.close(linger_seconds=0.1)
    dealer.close()
    assert 0.1 <= time.monotonic() - begun < GUARD_SECONDS
    dealer._thread.join(GUARD_SECONDS)
    assert not dealer._thread.is_alive()
