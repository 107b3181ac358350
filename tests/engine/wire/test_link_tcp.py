"""The link over TCP: who may join, what becomes of strangers, and a network that fails; over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from threading import Event

import pytest
import zmq

from engine.wire.dealer_link import DealerLink
from engine.wire.link import RouterLink
from engine.wire.link_keys import ControllerKeys, WorkerKeys, new_keys
from engine.wire.messages import AbortRequest, Ping
from launch.bench.chaos.link_proxy import LinkProxy, link_proxy
from tests.engine.wire.link_ends import Inbox, received
from tests.waiting import GUARD_SECONDS, reached

OWN, OTHERS = new_keys(["w"]), new_keys(["w"])
KEYS: WorkerKeys = OWN[1]["w"]
StartDealer = Callable[..., DealerLink]


@pytest.fixture
def endpoint() -> str:
    return "tcp://127.0.0.1:*"


@pytest.fixture
def controller_keys() -> ControllerKeys:
    return OWN[0]


@pytest.fixture
def start() -> Iterator[StartDealer]:
    """Start a worker's end, to be closed after the test."""
    with ExitStack() as stack:

        def dealer(endpoint: str, keys: WorkerKeys | None = KEYS, **more: object) -> DealerLink:
            inbox = more.pop("inbox", lambda message: None)
            link = DealerLink(endpoint, "w", inbox, keys, **more)  # type: ignore[arg-type]
            stack.callback(link.close, 0.0)
            return link

        yield dealer


async def joined(router: RouterLink, dealer: DealerLink) -> None:
    """Wait until something of the worker arrives."""
    assert dealer.send(AbortRequest(rid="here"))
    assert await received(router) == (b"w", AbortRequest(rid="here"))


async def refused(router: RouterLink) -> None:
    """Wait until a connection has been refused."""

    def looked() -> bool:
        router.look()
        return router.refused > 0

    await reached(looked)


async def test_messages_pass_both_ways(router: RouterLink, start: StartDealer, inbox: Inbox) -> None:
    """A worker with an allowed key is known by its name, and nobody was refused."""
    dealer = start(router.endpoint, inbox=inbox)
    await joined(router, dealer)
    assert router.send(b"w", Ping(epoch="e"))
    assert await inbox.next() == Ping(epoch="e")
    assert (router.look(), router.refused) == (0, 0)


def test_keys_are_shown_nowhere() -> None:
    """What is printed of keys, in a log or an error, has no secret in it."""
    controller, workers = OWN
    assert controller.secret not in repr(controller)
    assert workers["w"].secret not in repr(workers)
    assert len({controller.secret, KEYS.secret, OTHERS[0].secret, OTHERS[1]["w"].secret}) == 4


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(replace(OTHERS[1]["w"], controller=OWN[0].public), id="a key that isn't allowed"),
        pytest.param(replace(KEYS, controller=OTHERS[0].public), id="it expects another controller"),
        pytest.param(None, id="no key"),
    ],
)
async def test_strangers_are_refused_and_counted(
    router: RouterLink, start: StartDealer, keys: WorkerKeys | None
) -> None:
    """Nothing that they say arrives; who has a key is heard all the same."""
    stranger = start(router.endpoint, keys)
    assert stranger.send(AbortRequest(rid="stranger"))
    await refused(router)
    await joined(router, start(router.endpoint))


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", id="HTTP"),
        pytest.param(b"\xff" * 4096, id="ones"),
        pytest.param(b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + bytes(48), id="a greeting"),
        pytest.param(b"\x01\x00" * 50, id="an old version of ZMTP"),
    ],
)
async def test_a_peer_that_talks_nonsense_does_no_harm(
    router: RouterLink, start: StartDealer, said: bytes
) -> None:
    """It is cut off and counted; others go on."""
    dealer = start(router.endpoint)
    await joined(router, dealer)
    port = int(router.endpoint.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    async with asyncio.timeout(GUARD_SECONDS):
        with pytest.raises((ConnectionError, EOFError)):  # noqa: PT012 (it may be cut off at either)
            await writer.drain()
            while await reader.read(4096):
                pass
            raise EOFError
    writer.close()
    await refused(router)
    await joined(router, dealer)


async def test_an_encrypted_link_carries_no_plain_text(router: RouterLink, start: StartDealer) -> None:
    """Who listens on the way can't read along."""
    port = int(router.endpoint.rpartition(":")[2])
    seen = bytearray()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    loop = asyncio.get_running_loop()

    async def pump(source: socket.socket, sink: socket.socket) -> None:
        while part := await loop.sock_recv(source, 4096):
            seen.extend(part)
            await loop.sock_sendall(sink, part)

    async def overhear() -> None:
        with listening, socket.socket() as onward:
            near, _ = await loop.sock_accept(listening)
            onward.setblocking(False)
            await loop.sock_connect(onward, ("127.0.0.1", port))
            with near:
                await asyncio.gather(pump(near, onward), pump(onward, near))

    task = asyncio.create_task(overhear())
    try:
        dealer = start(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        assert dealer.send(AbortRequest(rid="a secret question"))
        assert await received(router) == (b"w", AbortRequest(rid="a secret question"))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert b"CURVE" in seen
    assert b"secret question" not in seen


@pytest.fixture
def proxy(router: RouterLink) -> Iterator[LinkProxy]:
    with link_proxy(int(router.endpoint.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.mark.parametrize("harm", [LinkProxy.cut, LinkProxy.stall])
async def test_a_link_that_fails_is_noticed_at_both_ends_and_comes_back(
    router: RouterLink, start: StartDealer, proxy: LinkProxy, inbox: Inbox, harm: Callable[[LinkProxy], None]
) -> None:
    """Cut or standing still: the worker is told first, the controller can't reach it, and later both talk."""
    cuts: list[bool] = []
    cut = Event()

    def told() -> None:
        cuts.append(router.send(b"w", Ping(epoch="told")))
        cut.set()

    dealer = start(proxy.endpoint, inbox=inbox, on_cut=told)
    await joined(router, dealer)
    harm(proxy)
    await reached(cut.is_set)
    await reached(lambda: not router.send(b"w", Ping(epoch="unheard")))
    assert dealer.send(AbortRequest(rid="while it was away"))
    proxy.restore()
    while await received(router) != (b"w", AbortRequest(rid="while it was away")):
        pass
    assert router.send(b"w", Ping(epoch="back"))
    while await inbox.next() != Ping(epoch="back"):
        pass
    assert len(cuts) == 1, "attempts to connect are no further cuts"


async def test_no_controller_is_no_cut(start: StartDealer) -> None:
    """A worker that never had a connection has lost none."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        cuts: list[int] = []
        port = nobody.getsockname()[1]
        dealer = start(f"tcp://127.0.0.1:{port}", on_cut=lambda: cuts.append(1))
        for _ in range(2):  # it tries again after the first
            peer, _ = await asyncio.to_thread(nobody.accept)
            peer.close()
        assert dealer.send(AbortRequest(rid="x"))
    assert cuts == []


async def test_a_taken_port_is_told() -> None:
    """As an OSError that names the address; nothing of the link is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"tcp://127.0.0.1:{port}") as caught:
            RouterLink(f"tcp://127.0.0.1:{port}", OWN[0])
    assert caught.value.errno == zmq.EADDRINUSE
