"""The ZMQ link between a controller and its workers, over real sockets."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest
import zmq

from engine.wire.codec import encode
from engine.wire.dealer_link import DealerLink
from engine.wire.link import RouterLink
from engine.wire.messages import AbortRequest, Ping, Welcome, WireMessage
from tests.engine.wire.link_ends import Inbox, received
from tests.waiting import GUARD_SECONDS, block_until


async def test_messages_pass_both_ways_in_order(router: RouterLink, dealer: DealerLink, inbox: Inbox) -> None:
    """A worker is known by its identity, and order is kept in both directions."""
    for i in range(100):
        assert dealer.send(AbortRequest(rid=str(i)))
    got = [await received(router) for _ in range(100)]
    assert got == [(b"w", AbortRequest(rid=str(i))) for i in range(100)]
    for i in range(100):
        assert router.send(b"w", Ping(epoch=str(i)))
    assert [await inbox.next() for _ in range(100)] == [Ping(epoch=str(i)) for i in range(100)]


async def test_what_comes_while_much_is_sent_is_not_forgotten(router: RouterLink, endpoint: str) -> None:
    """Sending takes ZMQ's notices of what has come; every answer arrives all the same, in order."""

    def echo(message: WireMessage) -> None:
        assert worker.send(message)

    worker = DealerLink(endpoint, "w", echo)
    try:
        worker.send(Welcome(epoch="here", fresh=False))
        await received(router)
        for i in range(1000):
            assert router.send(b"w", Ping(epoch=str(i)))
            if i % 100 == 0:
                await asyncio.sleep(0.002)
        got = [await received(router) for _ in range(1000)]
        assert got == [(b"w", Ping(epoch=str(i))) for i in range(1000)]
    finally:
        worker.close()


async def test_other_work_has_its_turn_beside_many_messages(router: RouterLink, dealer: DealerLink) -> None:
    """A flood of messages doesn't keep the event loop from everything else until it is over."""
    for i in range(5000):
        assert dealer.send(AbortRequest(rid=str(i)))
    block_until(lambda: not dealer._outbox)  # all of it is there, and the event loop has read nothing
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other_work())
    async with asyncio.timeout(GUARD_SECONDS):
        for _ in range(5000):
            await router.recv()
    task.cancel()
    assert turns > 20


async def test_works_while_the_main_thread_is_busy(
    router: RouterLink, dealer: DealerLink, inbox: Inbox
) -> None:
    """A worker receives and sends while its event loop is blocked, as it is while an engine loads."""
    dealer.send(AbortRequest(rid="first"))
    await received(router)
    router.send(b"w", Ping(epoch="e"))
    assert inbox.messages.get(timeout=GUARD_SECONDS) == Ping(epoch="e")  # blocks the loop
    threading.Thread(target=lambda: dealer.send(AbortRequest(rid="from a thread"))).start()
    assert await received(router) == (b"w", AbortRequest(rid="from a thread"))


async def test_bad_frames_are_dropped(
    router: RouterLink, endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Foreign frames are logged and dropped; the next good message arrives."""
    context = zmq.Context()
    stranger = context.socket(zmq.DEALER)
    stranger.setsockopt(zmq.IDENTITY, b"stranger")
    stranger.connect(endpoint)
    try:
        for frames in ([b"hello"], [b"", b""], [b"{}", b"{}"], [b"x"] * 9, encode(Ping(epoch="good"))):
            stranger.send_multipart(frames)
        assert await received(router) == (b"stranger", Ping(epoch="good"))
        assert caplog.text.count("dropped a frame") == 4
    finally:
        stranger.close(linger=0)
        context.term()


async def test_a_dealer_drops_bad_frames(
    endpoint: str, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker survives a controller that speaks nonsense, and a callback that raises."""
    context = zmq.Context()
    controller = context.socket(zmq.ROUTER)
    controller.bind(endpoint)

    def fragile(message: WireMessage) -> None:
        if message == Ping(epoch="bad"):
            raise RuntimeError("callback")
        inbox(message)

    dealer = DealerLink(endpoint, "w", fragile)
    try:
        dealer.send(AbortRequest(rid="here"))
        assert controller.poll(int(1000 * GUARD_SECONDS))
        controller.recv_multipart()
        for frames in ([b"nonsense"], encode(Ping(epoch="bad")), encode(Welcome(epoch="e"))):
            controller.send_multipart([b"w", *frames])
        assert await inbox.next() == Welcome(epoch="e")
        assert "dropped a frame" in caplog.text
        assert "could not be handed over" in caplog.text
    finally:
        dealer.close()
        controller.close(linger=0)
        context.term()


async def test_sending_to_an_unknown_worker_is_told(router: RouterLink) -> None:
    """The controller learns at once that nobody has that name, and doesn't wait."""
    begun = time.monotonic()
    for _ in range(2000):  # if each waited for a tenth of a second, that would take minutes
        assert not router.send(b"nobody", Ping(epoch="e"))
    assert time.monotonic() - begun < GUARD_SECONDS


async def test_a_router_says_where_it_can_not_listen(tmp_path: Path) -> None:
    """An address that can't be bound is an OSError that names it, and closing leaves no socket file."""
    with pytest.raises(OSError, match="nowhere"):
        RouterLink(f"ipc://{tmp_path}/nowhere/link")
    link = RouterLink(f"ipc://{tmp_path}/link")
    assert os.listdir(tmp_path) == ["link"]
    link.close()
    link.close()
    assert os.listdir(tmp_path) == []
