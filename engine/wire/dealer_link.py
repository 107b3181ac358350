"""A worker's end of the link to its controller (DEALER)."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable

import zmq

from engine.wire.codec import encode
from engine.wire.link_events import DOWN, UP, LinkEvents
from engine.wire.link_keys import WorkerKeys
from engine.wire.link_security import guard_dealer
from engine.wire.link_socket import QUEUED_MESSAGES, configure, message_in
from engine.wire.messages import WireMessage

logger = logging.getLogger(__name__)

_POLL_MILLISECONDS = 500


class DealerLink:
    """A worker's end.  It lives in a thread of its own, so it works while the main thread is busy.

    ``on_message`` is called in that thread for every message received, ``on_cut`` whenever the connection
    broke.  ``send`` may be called from any thread; what can't be sent yet waits, at most 20,000 messages.
    """

    def __init__(
        self,
        endpoint: str,
        identity: str,
        on_message: Callable[[WireMessage], None],
        keys: WorkerKeys | None = None,
        on_cut: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_message = on_message
        self._on_cut = on_cut
        self._connected = False
        self._outbox: deque[list[bytes]] = deque()
        self._closing_at: float | None = None
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        configure(self._socket)
        self._socket.setsockopt(zmq.IDENTITY, identity.encode())
        # Without a connection messages wait in our queue, so that its bound is the only one.
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        if keys is not None:
            guard_dealer(self._socket, keys)
        self._events = LinkEvents(self._socket, UP | DOWN)
        self._socket.connect(endpoint)
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        self._thread.start()

    def send(self, message: WireMessage) -> bool:
        """Queue ``message``; return whether there was room for it."""
        if self._closing_at is not None or len(self._outbox) >= QUEUED_MESSAGES:
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
        poller.register(self._events.monitor, zmq.POLLIN)
        while not self._finished():
            writable = zmq.POLLOUT if self._outbox else 0
            poller.register(self._socket, zmq.POLLIN | writable)
            events = dict(poller.poll(self._poll_milliseconds()))
            if self._wake in events:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            self._notice_cuts()
            self._flush()
            self._receive()
        self._events.close()
        assert self._closing_at is not None
        left = max(0.0, self._closing_at - time.monotonic())
        self._socket.close(linger=int(left * 1000))
        self._context.term()

    def _notice_cuts(self) -> None:
        for event, _ in self._events.read():
            if event == DOWN and self._connected:  # no mere attempt to connect
                logger.warning("the connection to the controller broke")
                self._on_cut()
            self._connected = event == UP

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
            message = message_in(frames)
            if message is None:
                continue
            try:
                self._on_message(message)
            except Exception:
                logger.exception("a %s message could not be handed over", message.kind)
