"""Who may join a link over TCP, and how soon a dead connection is closed.

Only a peer that proves to have one of the allowed keys gets through libzmq's handshake (CURVE); libzmq itself
refuses everyone else, and everything that is no ZMTP, before a message is read.  The socket file of a link
on one machine needs none of that: only the server's user reaches it, and it ends with the process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import zmq
from zmq.auth.thread import ThreadAuthenticator

from engine.wire.link_keys import ControllerKeys, WorkerKeys

HANDSHAKE_MILLISECONDS: Final = 5_000
"""A peer that hasn't introduced itself by then is cut off."""
HEARTBEAT_MILLISECONDS: Final = 500
WORKER_TIMEOUT_MILLISECONDS: Final = 2_000
"""A worker that hears nothing for so long, or half a second more, ends what it runs."""
CONTROLLER_TIMEOUT_MILLISECONDS: Final = 3_000
"""The controller has it run elsewhere later than that, so nothing begins twice."""


class AllowedKeys:
    """Answers pyzmq's authenticator: may a key join?"""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(key.encode("ascii") for key in keys)

    def callback(self, _domain: str, key: bytes) -> bool:
        """Tell whether the public ``key`` (Z85) is allowed."""
        return key in self._keys


def guard_router(socket: zmq.Socket[bytes], keys: ControllerKeys) -> ThreadAuthenticator:
    """Have ``socket``, not bound yet, let in only workers with allowed keys.

    Returns the authenticator, which must be stopped when the socket is closed.
    """
    authenticator = ThreadAuthenticator(socket.context)
    authenticator.configure_curve_callback(credentials_provider=AllowedKeys(keys.workers))
    authenticator.start()
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode("ascii"))
    _watch(socket, CONTROLLER_TIMEOUT_MILLISECONDS)
    return authenticator


def guard_dealer(socket: zmq.Socket[bytes], keys: WorkerKeys) -> None:
    """Have ``socket``, not connected yet, prove its key to its controller, and talk to no other."""
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode("ascii"))
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode("ascii"))
    socket.setsockopt(zmq.CURVE_SERVERKEY, keys.controller.encode("ascii"))
    _watch(socket, WORKER_TIMEOUT_MILLISECONDS)


def _watch(socket: zmq.Socket[bytes], timeout_milliseconds: int) -> None:
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MILLISECONDS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MILLISECONDS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, timeout_milliseconds)
