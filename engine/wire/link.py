"""The ZMQ link between the controller (ROUTER, here) and its workers (DEALER, ``dealer_link.py``).

Frames that are not messages are logged and dropped: whatever a peer sends, neither side stops.
Queues are bounded and connections come back by themselves.  What was on its way when a connection broke is
lost, so a worker is told of the break.  With keys, the link is encrypted and only their owners may use it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from pathlib import Path

import zmq

from engine.wire.codec import encode
from engine.wire.link_events import Refusals
from engine.wire.link_keys import ControllerKeys
from engine.wire.link_security import guard_router
from engine.wire.link_socket import configure, message_in
from engine.wire.messages import WireMessage

logger = logging.getLogger(__name__)

_BATCH = 64
"""So many messages are read before other work of the event loop has its turn."""


class RouterLink:
    """The controller's end, for one event loop.

    Not ``zmq.asyncio``, which takes several times as long per message.  ``endpoint`` is where it listens.

    Raises:
        OSError: ``endpoint`` can't be bound.
    """

    def __init__(self, endpoint: str, keys: ControllerKeys | None = None) -> None:
        self._file: Path | None = None
        self._inbox: deque[tuple[bytes, WireMessage]] = deque()
        self._filled = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        configure(self._socket)
        # Unknown peers are an error rather than silence; a worker that reconnects takes its place back.
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._refusals = Refusals(self._socket)
        self._guard = guard_router(self._socket, keys) if keys is not None else None
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close(0.0)
            raise OSError(error.errno, f"can't listen for workers on {endpoint}: {error}") from error
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        scheme, _, address = endpoint.partition("://")
        if scheme == "ipc":
            self._file = Path(address)

    @property
    def refused(self) -> int:
        """Connections that had no allowed key or talked nonsense, as far as was looked."""
        return self._refusals.count

    async def recv(self) -> tuple[bytes, WireMessage]:
        """Return the next message and the identity of the worker that sent it."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._socket.fileno(), self._read)
            self._read()
        while not self._inbox:  # waits for workers as long as its caller does
            self._filled.clear()
            await self._filled.wait()
        return self._inbox.popleft()

    def send(self, identity: bytes, message: WireMessage) -> bool:
        """Hand ``message`` over without waiting; return whether the worker is there and keeps up."""
        try:
            self._socket.send_multipart([identity, *encode(message)], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            logger.warning("a %s message did not reach %r: %s", message.kind, identity, error)
            return False
        else:
            return True
        finally:
            self._read_again()

    def look(self) -> int:
        """Return how many connections were refused since the last look."""
        return self._refusals.look()

    def close(self, linger_seconds: float = 1.0) -> None:
        """Close, giving messages on their way at most ``linger_seconds``.  Idempotent."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None
        if not self._socket.closed:
            self._refusals.close()
            self._socket.close(linger=int(linger_seconds * 1000))
            if self._guard is not None:
                self._guard.stop()
            self._context.term()
            if self._file is not None:  # ZMQ leaves it there
                self._file.unlink(missing_ok=True)

    def _read(self) -> None:
        if self._loop is None:
            return  # closed since this was due
        for _ in range(_BATCH):
            try:
                identity, *frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            message = message_in(frames)
            if message is not None:
                self._inbox.append((identity, message))
        if self._inbox:
            self._filled.set()
        self._read_again()

    def _read_again(self) -> None:
        """ZMQ's descriptor tells of changes only, and any use of the socket may take one: look ourselves."""
        if self._loop is not None and int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._loop.call_soon(self._read)
