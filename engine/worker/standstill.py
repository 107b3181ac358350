"""What a worker that stood still, or was cut off, may believe: nothing of what it is asked, until its
controller has answered.

A stopped worker wakes up with calls before it that the controller sent, then gave up, and has run elsewhere;
that it gave them up stands behind them.  Messages come in order, so its answer to a ``Hello`` comes last.
"""

from __future__ import annotations

from engine.wire.messages import WireMessage
from engine.worker.lease import LEASE_SECONDS
from sched.clock import Clock


class Standstill:
    """Holds messages from when the worker may have stood still until it knows what it is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock()
        self._held: list[WireMessage] | None = None

    def found(self) -> bool:
        """Look, at every message, and return whether the worker now has reason to ask what it is."""
        now = self._clock()
        still, self._last = now - self._last, now
        if still < LEASE_SECONDS or self._held is not None:
            return False
        self._held = []
        return True

    @property
    def doubts(self) -> bool:
        """Whether the worker may have been given up, for all it knows."""
        return self._held is not None

    def cut(self) -> None:
        """Note that the connection broke: what comes before the next answer may not hold."""
        if self._held is None:
            self._held = []

    def hold(self, message: WireMessage) -> bool:
        """Keep a message if it isn't known yet whether it holds; return whether it is kept."""
        if self._held is None:
            return False
        self._held.append(message)
        return True

    def given_up(self) -> None:
        """Forget what is held: it runs elsewhere."""
        if self._held is not None:
            self._held.clear()

    def over(self) -> list[WireMessage]:
        """Hold nothing more, and return what was held, which holds."""
        held, self._held = self._held or [], None
        return held
