"""What both ends of the link share: the settings of their sockets, and reading frames."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import zmq

from engine.wire.codec import BadFrameError, decode
from engine.wire.messages import WireMessage

logger = logging.getLogger(__name__)

QUEUED_MESSAGES = 20_000
"""So many wait at most, in each direction of a connection."""
_MESSAGE_BYTES = 64 * 1024 * 1024


def configure(socket: zmq.Socket[bytes]) -> None:
    """Bound the queues and messages of ``socket``, and have it connect again by itself."""
    socket.setsockopt(zmq.SNDHWM, QUEUED_MESSAGES)
    socket.setsockopt(zmq.RCVHWM, QUEUED_MESSAGES)
    socket.setsockopt(zmq.MAXMSGSIZE, _MESSAGE_BYTES)
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)  # a controller is back within a second or two


def message_in(frames: Sequence[bytes]) -> WireMessage | None:
    """Return the message in ``frames``; what is none is logged."""
    try:
        return decode(frames)
    except BadFrameError as error:
        logger.warning("dropped a frame: %s", error)
        return None
