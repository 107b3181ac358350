"""The ZMQ link between a controller and its workers, over real sockets."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import zmq

from engine.codec import encode
from engine.link import DealerLink, RouterLink
from engine.messages import Abort, Chunk, Message, Ping, Welcome


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/link"


@pytest.fixture
async def router(endpoint: str) -> AsyncIterator[RouterLink]:
    link = RouterLink(endpoint)
    yield link
    link.close()


class Inbox:
    """Collects what a dealer receives, in its thread."""

    def __init__(self) -> None:
        self.messages: queue.Queue[Message] = queue.Queue()

    def __call__(self, message: Message) -> None:
        self.messages.put(message)

    async def next(self) -> Message:
        return await asyncio.to_thread(self.messages.get, True, 5.0)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def dealer(endpoint: str, inbox: Inbox) -> Iterator[DealerLink]:
    link = DealerLink(endpoint, "w", inbox)
    yield link
    link.close()


async def received(router: RouterLink, seconds: float = 5.0) -> tuple[bytes, Message]:
    return await asyncio.wait_for(router.recv(), seconds)


async def test_messages_pass_both_ways_in_order(router: RouterLink, dealer: DealerLink, inbox: Inbox) -> None:
    """A worker is known by its identity, and order is kept in both directions."""
    for i in range(100):
        assert dealer.send(Abort(rid=str(i)))
    got = [await received(router) for _ in range(100)]
    assert got == [(b"w", Abort(rid=str(i))) for i in range(100)]
    for i in range(100):
        assert router.send(b"w", Ping(epoch=str(i)))
    assert [await inbox.next() for _ in range(100)] == [Ping(epoch=str(i)) for i in range(100)]


async def test_what_comes_while_much_is_sent_is_not_forgotten(router: RouterLink, endpoint: str) -> None:
    """Sending takes ZMQ's notices of what has come; every answer arrives all the same, in order."""

    def echo(message: Message) -> None:
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
        assert dealer.send(Abort(rid=str(i)))
    await received(router)
    await asyncio.sleep(0.3)  # all of it is there now
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other_work())
    for _ in range(4999):
        await received(router)
    task.cancel()
    assert turns > 20


async def test_works_while_the_main_thread_is_busy(
    router: RouterLink, dealer: DealerLink, inbox: Inbox
) -> None:
    """A worker receives and sends while its event loop is blocked, as it is while an engine loads."""
    dealer.send(Abort(rid="first"))
    await received(router)
    router.send(b"w", Ping(epoch="e"))
    assert inbox.messages.get(timeout=5) == Ping(epoch="e")  # blocks the loop
    threading.Thread(target=lambda: dealer.send(Abort(rid="from a thread"))).start()
    assert await received(router) == (b"w", Abort(rid="from a thread"))


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

    def fragile(message: Message) -> None:
        if message == Ping(epoch="bad"):
            raise RuntimeError("callback")
        inbox(message)

    dealer = DealerLink(endpoint, "w", fragile)
    try:
        dealer.send(Abort(rid="here"))
        assert controller.poll(5000)
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
    assert not router.send(b"nobody", Ping(epoch="e"))
    assert time.monotonic() - begun < 0.5


async def test_what_is_sent_before_the_controller_exists_arrives(endpoint: str, inbox: Inbox) -> None:
    """A worker may start first: messages wait for the controller."""
    dealer = DealerLink(endpoint, "w", inbox)
    router: RouterLink | None = None
    try:
        assert dealer.send(Abort(rid="early"))
        await asyncio.sleep(0.3)
        router = RouterLink(endpoint)
        assert await received(router) == (b"w", Abort(rid="early"))
    finally:
        dealer.close()
        if router is not None:
            router.close()


async def test_a_worker_finds_a_new_controller(endpoint: str, inbox: Inbox) -> None:
    """After the controller's end the worker connects to the next one by itself."""
    dealer = DealerLink(endpoint, "w", inbox)
    try:
        for life in range(2):
            router = RouterLink(endpoint)
            dealer.send(Abort(rid=f"life {life}"))
            assert await received(router) == (b"w", Abort(rid=f"life {life}"))
            assert router.send(b"w", Ping(epoch=str(life)))
            assert await inbox.next() == Ping(epoch=str(life))
            router.close()
            await asyncio.sleep(0.2)
    finally:
        dealer.close()


async def test_a_restarted_worker_takes_over_its_name(
    router: RouterLink, endpoint: str, inbox: Inbox
) -> None:
    """A worker that comes back under the same name gets the messages, though the old link is still open."""
    old = DealerLink(endpoint, "w", lambda message: None)
    old.send(Abort(rid="old"))
    await received(router)
    new = DealerLink(endpoint, "w", inbox)
    try:
        new.send(Abort(rid="new"))
        assert await received(router) == (b"w", Abort(rid="new"))
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
    dealer.close(linger_seconds=2.0)
    assert await received(router) == (b"w", last)
    assert not dealer.send(last)


async def test_close_without_a_controller_is_bounded(endpoint: str, inbox: Inbox) -> None:
    """Closing waits no longer than its linger, and leaves no thread."""
    dealer = DealerLink(endpoint, "w", inbox)
    dealer.send(Abort(rid="lost"))
    begun = time.monotonic()
    dealer.close(linger_seconds=0.3)
    dealer.close()
    assert 0.25 < time.monotonic() - begun < 1.5
    assert not [thread for thread in threading.enumerate() if thread.name == "link"]


async def test_a_router_says_where_it_can_not_listen(tmp_path: Path) -> None:
    """An address that can't be bound is an OSError that names it, and closing leaves no socket file."""
    with pytest.raises(OSError, match="nowhere"):
        RouterLink(f"ipc://{tmp_path}/nowhere/link")
    link = RouterLink(f"ipc://{tmp_path}/link")
    assert os.listdir(tmp_path) == ["link"]
    link.close()
    link.close()
    assert os.listdir(tmp_path) == []
