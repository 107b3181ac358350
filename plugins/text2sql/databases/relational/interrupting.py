"""Ending what runs on a database from another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sched.clock import Clock

_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 2.0
"""After so long, a server that doesn't act on requests to cancel loses the connection."""


class Interrupter:
    """Ends a statement on a server; calling it never waits.

    ``cancel`` asks the server, which may take long, so it runs in a thread of its own, one at a time.
    ``sever`` closes the connection's socket, for a server that doesn't answer.
    """

    def __init__(
        self, cancel: Callable[[], object], sever: Callable[[], object], clock: Clock = time.monotonic
    ) -> None:
        self._cancel = cancel
        self._sever = sever
        self._clock = clock
        self._lock = threading.Lock()
        self._first: float | None = None
        self._asking: threading.Thread | None = None

    def __call__(self) -> None:
        """Ask the server to end the statement; once it was asked in vain for 2 s, cut the connection."""
        with self._lock:
            now = self._clock()
            if self._first is None:
                self._first = now
            if now - self._first >= _PATIENCE_SECONDS:
                with suppress(Exception):  # it is closed already
                    self._sever()
            elif self._asking is None or not self._asking.is_alive():
                self._asking = threading.Thread(target=self._ask, name="cancel", daemon=True)
                self._asking.start()

    @property
    def used(self) -> bool:
        """Whether the connection may still be interrupted, by a request that is under way."""
        return self._first is not None

    def _ask(self) -> None:
        with suppress(Exception):  # the server is gone, and with it the statement
            self._cancel()


@contextmanager
def watched(stopped: Callable[[], bool], interrupt: Callable[[], object]) -> Iterator[None]:
    """Call ``interrupt``, again and again, once ``stopped`` says so inside; looked at every 50 ms."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            if stopped():
                interrupt()

    watcher = threading.Thread(target=watch, name="stop-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def expired(seconds: float, clock: Clock = time.monotonic) -> Callable[[], bool]:
    """Return what says whether ``seconds`` have passed since this call."""
    until = clock() + seconds
    return lambda: clock() >= until
