"""SGLang's publisher of cache events, without SGLang: it can leave batches out and forget old ones."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType

import zmq

from tests.waiting import GUARD_SECONDS


class FakePublisher:
    """Speaks as ``ZmqEventPublisher`` does; ``kept`` batches are repeated on request, if it ``answers``."""

    def __init__(self, endpoint: str, replay_endpoint: str, *, kept: int = 100) -> None:
        self.answers = True
        self.asked: list[int] = []
        self._number = 0
        self._buffer: deque[tuple[int, bytes]] = deque(maxlen=kept)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.bind(endpoint)
        self._replay = self._context.socket(zmq.ROUTER)
        self._replay.bind(replay_endpoint)
        self._closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def publish(self, payload: str, *, seen: bool = True) -> None:
        """Publish the next batch; one that is not ``seen`` gets lost on the way."""
        self._buffer.append((self._number, payload.encode()))
        if seen:
            self.send(self._number, payload)
        self._number += 1

    def send(self, number: int, payload: str) -> None:
        """Put a batch on the wire."""
        self._socket.send_multipart([b"kv", number.to_bytes(8, "big"), payload.encode()])

    def send_raw(self, *frames: bytes) -> None:
        """Put anything on the wire."""
        self._socket.send_multipart(frames)

    def _serve(self) -> None:
        while not self._closing:
            if not self._replay.poll(20):
                continue
            identity, _, start = self._replay.recv_multipart()
            first = int.from_bytes(start, "big")
            self.asked.append(first)
            if not self.answers:
                continue
            for number, payload in list(self._buffer):
                if number >= first:
                    self._replay.send_multipart([identity, b"", number.to_bytes(8, "big"), payload])
            self._replay.send_multipart([identity, b"", (-1).to_bytes(8, "big", signed=True), b""])

    def __enter__(self) -> FakePublisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._thread.join(GUARD_SECONDS)
        assert not self._thread.is_alive()
        for socket in (self._socket, self._replay):
            socket.close(linger=0)
        self._context.term()
