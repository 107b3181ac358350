"""The ZMQ link between the controller (ROUTER) and its workers (DEALER).  The only file with zmq.

Frames that are not messages are logged and dropped: whatever a peer sends, neither side stops.
Queues are bounded and connections come back by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import zmq

from engine.wire.codec import BadFrameError, decode, encode
from engine.wire.messages import WireMessage

logger = logging.getLogger(__name__)

_QUEUED_MESSAGES = 20_000
_MESSAGE_BYTES = 64 * 1024 * 1024
_POLL_MILLISECONDS = 500
_BATCH = 64
"""So many messages are read before other work of the event loop has its turn."""


def _configure(socket: zmq.Socket[bytes]) -> None:
    socket.setsockopt(zmq.SNDHWM, _QUEUED_MESSAGES)
    socket.setsockopt(zmq.RCVHWM, _QUEUED_MESSAGES)
    socket.setsockopt(zmq.MAXMSGSIZE, _MESSAGE_BYTES)
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)  # a controller is back within a second or two


def _decode(frames: Sequence[bytes]) -> WireMessage | None:
    try:
        return decode(frames)
    except BadFrameError as error:
        logger.warning("dropped a frame: %s", error)
        return None


class DealerLink:
    """A worker's end.  It lives in a thread of its own, so it works while the main thread is busy.

    ``on_message`` is called in that thread for every message received.  ``send`` may be called from any
    thread; what can't be sent yet waits, at most 20,000 messages.
    """

    def __init__(self, endpoint: str, identity: str, on_message: Callable[[WireMessage], None]) -> None:
        self._on_message = on_message
        self._outbox: deque[list[bytes]] = deque()
        self._closing_at: float | None = None
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        _configure(self._socket)
        self._socket.setsockopt(zmq.IDENTITY, identity.encode())
        # Without a connection messages wait in our queue, so that its bound is the only one.
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.connect(endpoint)
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        self._thread.start()

    def send(self, message: WireMessage) -> bool:
        """Queue ``message``; return whether there was room for it."""
        if self._closing_at is not None or len(self._outbox) >= _QUEUED_MESSAGES:
            logger.error("a %s message could not be queued", message.kind)
            return False
        self._outbox.append(encode(message))
        os.eventfd_write(self._wake, 1)
        return True

    def close(self, linger_seconds: float = 1.0) -> None:
        """Send what is queued, for at most ``linger_seconds``, and end the thread.  Idempotent."""
        if self._closing_at is not None:
            return
        self._closing_at = time.monotonic() + linger_seconds
        os.eventfd_write(self._wake, 1)
        self._thread.join(linger_seconds + 2.0)
        if not self._thread.is_alive():
            os.close(self._wake)

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wake, zmq.POLLIN)
        while not self._finished():
            writable = zmq.POLLOUT if self._outbox else 0
            poller.register(self._socket, zmq.POLLIN | writable)
            events = dict(poller.poll(self._poll_milliseconds()))
            if self._wake in events:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            self._flush()
            self._receive()
        assert self._closing_at is not None
        left = max(0.0, self._closing_at - time.monotonic())
        self._socket.close(linger=int(left * 1000))
        self._context.term()

    def _finished(self) -> bool:
        deadline = self._closing_at
        return deadline is not None and (not self._outbox or time.monotonic() >= deadline)

    def _poll_milliseconds(self) -> int:
        if self._closing_at is None:
            return _POLL_MILLISECONDS
        left = int((self._closing_at - time.monotonic()) * 1000)
        return min(_POLL_MILLISECONDS, max(0, left))

    def _flush(self) -> None:
        while self._outbox:
            try:
                self._socket.send_multipart(self._outbox[0], zmq.NOBLOCK)
            except zmq.Again:
                return
            self._outbox.popleft()

    def _receive(self) -> None:
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            message = _decode(frames)
            if message is None:
                continue
            try:
                self._on_message(message)
            except Exception:
                logger.exception("a %s message could not be handed over", message.kind)


class RouterLink:
    """The controller's end, for one event loop.

    Not ``zmq.asyncio``, which takes several times as long per message.

    Raises:
        OSError: ``endpoint`` can't be bound.
    """

    def __init__(self, endpoint: str) -> None:
        self._file: Path | None = None
        self._inbox: deque[tuple[bytes, WireMessage]] = deque()
        self._filled = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        _configure(self._socket)
        # Unknown peers are an error rather than silence; a worker that reconnects takes its place back.
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close(0.0)
            raise OSError(error.errno, f"can't listen for workers on {endpoint}: {error}") from error
        scheme, _, address = endpoint.partition("://")
        if scheme == "ipc":
            self._file = Path(address)

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

    def close(self, linger_seconds: float = 1.0) -> None:
        """Close, giving messages on their way at most ``linger_seconds``.  Idempotent."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None
        if not self._socket.closed:
            self._socket.close(linger=int(linger_seconds * 1000))
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
            message = _decode(frames)
            if message is not None:
                self._inbox.append((identity, message))
        if self._inbox:
            self._filled.set()
        self._read_again()

    def _read_again(self) -> None:
        """ZMQ's descriptor tells of changes only, and any use of the socket may take one: look ourselves."""
        if self._loop is not None and int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._loop.call_soon(self._read)
