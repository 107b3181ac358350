"""What happens to the connections of a ZMQ socket, as its monitor tells it."""

from __future__ import annotations

from collections.abc import Iterator

import zmq
from zmq.utils.monitor import recv_monitor_message

UP = zmq.Event.HANDSHAKE_SUCCEEDED
DOWN = zmq.Event.DISCONNECTED
_FAILED = (
    zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
    | zmq.Event.HANDSHAKE_FAILED_PROTOCOL
    | zmq.Event.HANDSHAKE_FAILED_AUTH
)


class LinkEvents:
    """The ``events`` of ``socket`` from now on, to be read in its thread."""

    def __init__(self, socket: zmq.Socket[bytes], events: zmq.Event) -> None:
        self._socket = socket
        self.monitor: zmq.Socket[bytes] = socket.get_monitor_socket(events)

    def read(self) -> Iterator[tuple[zmq.Event, int]]:
        """Yield what has happened since the last look, each with its value, mostly a descriptor."""
        while not self.monitor.closed and self.monitor.poll(0):
            told = recv_monitor_message(self.monitor)
            yield zmq.Event(told["event"]), int(told["value"])

    def close(self) -> None:
        """Hear of nothing more."""
        self._socket.disable_monitor()
        self.monitor.close(linger=0)


class Refusals:
    """Counts the connections to a listening ``socket`` that came through no handshake.

    Of some nonsense libzmq tells only that the connection was closed.  That counts if nobody came through
    meanwhile, so ``count`` may be too small, never too large.
    """

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.count = 0
        self._events = LinkEvents(socket, zmq.Event.ACCEPTED | UP | DOWN | _FAILED)
        self._joined = 0
        self._joined_before: dict[int, int] = {}
        self._failed = False

    def look(self) -> int:
        """Return how many were refused since the last look."""
        before = self.count
        for event, value in self._events.read():
            match event:
                case zmq.Event.ACCEPTED:
                    self._joined_before[value] = self._joined
                case zmq.Event.HANDSHAKE_SUCCEEDED:
                    self._joined += 1
                case zmq.Event.DISCONNECTED:
                    unknown = self._joined_before.pop(value, None) == self._joined
                    self.count += unknown and not self._failed
                    self._failed = False
                case _:
                    self.count += 1
                    self._failed = True  # its end is told next
        return self.count - before

    def close(self) -> None:
        """Hear of nothing more."""
        self._events.close()
