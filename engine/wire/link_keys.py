"""The keys of a TCP link: libzmq's CURVE, with one pair for the controller and one for each worker.

The launcher makes them anew at every start and hands them over with each process's instructions, on its
standard input: they are in no file, no environment, no command line and no log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerKeys:
    """The controller's own pair, and the public keys of the workers that may join (Z85)."""

    public: str
    secret: str = field(repr=False)
    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerKeys:
    """A worker's own pair, and the public key that its controller must have (Z85)."""

    public: str
    secret: str = field(repr=False)
    controller: str


def new_keys(names: Iterable[str]) -> tuple[ControllerKeys, Mapping[str, WorkerKeys]]:
    """Return new keys for a controller and for each of the workers ``names``."""
    public, secret = _pair()
    workers = {}
    for name in names:
        own, own_secret = _pair()
        workers[name] = WorkerKeys(public=own, secret=own_secret, controller=public)
    allowed = tuple(keys.public for keys in workers.values())
    return ControllerKeys(public=public, secret=secret, workers=allowed), workers


def _pair() -> tuple[str, str]:
    import zmq  # only now: a launcher whose link is a socket file stays light

    public, secret = zmq.curve_keypair()
    return public.decode("ascii"), secret.decode("ascii")
