"""The ZMQ end that listens to SGLang's publisher of cache events.  With ``link.py`` the only files with zmq.

The publisher (``sglang.srt.disaggregation.kv_events.ZmqEventPublisher``) sends batches numbered from 0 as
[topic, number, payload]; on another socket it repeats the latest ones on request.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import zmq

from sched.clock import Clock, monotonic

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.05
"""What comes within this time is reported together."""
REPLAY_SECONDS = 5.0
"""How long the publisher may take to repeat batches; it looks for requests every 0.1 s."""

_IDLE_MILLISECONDS = 500
_QUEUED_BATCHES = 100_000
_NUMBER_BYTES = 8
_END = (-1).to_bytes(_NUMBER_BYTES, "big", signed=True)

Batch = tuple[int, bytes]


class Listener(Protocol):
    """Gets every batch once and in order.  Its methods are called in the link's thread."""

    def batch(self, payload: bytes) -> None:
        """Take the next batch; must not raise."""
        ...

    def lost(self) -> None:
        """Batches are missing before the next one."""
        ...

    def flush(self) -> bool:
        """Report what came; return whether that is done, else it is tried again."""
        ...


class EventLink:
    """Subscribes to ``endpoint``, in a thread of its own, and fills gaps from ``replay_endpoint``."""

    def __init__(
        self,
        endpoint: str,
        replay_endpoint: str,
        listener: Listener,
        clock: Clock = monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._listener = listener
        self._clock = clock
        self._pause = pause
        self._replay_endpoint = replay_endpoint
        self._expected = 0
        self._closing = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, _QUEUED_BATCHES)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.connect(endpoint)
        self._thread = threading.Thread(target=self._run, name="cache events", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have the listener flush soon.  May be called from any thread."""
        if not self._closing:
            os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """End the thread.  Idempotent."""
        if self._closing:
            return
        self._closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join(REPLAY_SECONDS + 1.0)
        if not self._thread.is_alive():
            os.close(self._wake)

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wake, zmq.POLLIN)
        poller.register(self._socket, zmq.POLLIN)
        for batch in self._repeated():  # what was sent before the subscription
            self._take(*batch)
        flushed = 0.0
        dirty = True
        while not self._closing:
            if dirty:
                self._pause(max(0.0, flushed + FLUSH_SECONDS - self._clock()))
                self._receive()
                flushed = self._clock()
                dirty = not self._listener.flush()
            events = dict(poller.poll(0 if dirty else _IDLE_MILLISECONDS))
            if self._wake in events:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            dirty = dirty or bool(events)
        self._socket.close(linger=0)
        self._context.term()

    def _receive(self) -> None:
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(frames) != 3 or len(frames[1]) != _NUMBER_BYTES:
                logger.warning("dropped a frame that is no batch of cache events")
                continue
            number = int.from_bytes(frames[1], "big")
            if number > self._expected:
                for batch in self._repeated():
                    self._take(*batch)
            self._take(number, frames[2])

    def _take(self, number: int, payload: bytes) -> None:
        if number < self._expected:
            return  # repeated
        if number > self._expected:
            self._listener.lost()
        self._expected = number + 1
        self._listener.batch(payload)

    def _repeated(self) -> Iterator[Batch]:
        """Yield the batches from the expected one on that the publisher still has."""
        socket = self._context.socket(zmq.DEALER)
        try:
            socket.connect(self._replay_endpoint)
            socket.send_multipart([b"", self._expected.to_bytes(_NUMBER_BYTES, "big")])
            deadline = self._clock() + REPLAY_SECONDS
            while not self._closing:
                left = deadline - self._clock()
                if left <= 0 or not socket.poll(int(left * 1000) + 1):
                    logger.warning("SGLang's publisher doesn't repeat its cache events")
                    return
                frames = socket.recv_multipart()
                if len(frames) != 3 or frames[1] == _END:
                    return
                yield int.from_bytes(frames[1], "big"), frames[2]
        finally:
            socket.close(linger=0)
