"""What makes a statement stoppable from other threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plugins.text2sql.databases.database import StatementError


class Stopping:
    """Whether one statement was stopped and why, and what interrupts it while it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupt: Callable[[], object] | None = None
        self._reason: tuple[str, str] | None = None

    @property
    def reason(self) -> tuple[str, str] | None:
        """The kind of error and the message of the first stop; ``None`` without one."""
        return self._reason

    @property
    def running(self) -> bool:
        """Whether there is something to interrupt."""
        return self._interrupt is not None

    def stop(self, error_kind: str, reason: str) -> None:
        """Interrupt the statement, or keep it from starting; the first reason given is reported."""
        with self._lock:
            self._reason = self._reason or (error_kind, reason)
            if self._interrupt is not None:
                self._interrupt()

    @contextmanager
    def interruptible(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """Have :meth:`stop` call ``interrupt`` inside; a statement that was stopped already doesn't begin.

        Raises:
            StatementError: it was stopped before.
        """
        with self._lock:
            if self._reason is not None:
                raise StatementError(*self._reason)
            self._interrupt = interrupt
        try:
            yield
        finally:
            with self._lock:
                self._interrupt = None
