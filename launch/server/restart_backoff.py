"""How soon the launcher starts a child that died again: the backoff."""

from __future__ import annotations

from dataclasses import dataclass

from sched.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartLimits:
    """The wait before a child is started again doubles with each death, from its backoff up to its longest
    wait, seconds.  It begins anew once the child has been ready for ``steady_seconds``.

    A child that was not ready in any of ``hopeless_starts`` starts makes no progress.  The server goes on
    without a runtime, but neither without the controller nor without any runtime.
    """

    worker_backoff_seconds: float = 1.0
    worker_longest_seconds: float = 60.0
    controller_backoff_seconds: float = 0.1
    controller_longest_seconds: float = 5.0
    steady_seconds: float = 60.0
    hopeless_starts: int = 10


class RestartBackoff:
    """Paces the starts of one child, which is ready now: ``first_seconds`` are waited after the first death,
    ``longest_seconds`` at most."""

    def __init__(
        self, limits: RestartLimits, first_seconds: float, longest_seconds: float, clock: Clock
    ) -> None:
        self._limits = limits
        self._next = self._first = first_seconds
        self._longest = longest_seconds
        self._clock = clock
        self._ready_at: float | None = clock()
        self.failed_starts = 0

    @property
    def hopeless(self) -> bool:
        """Whether the child was not ready for so many starts that it makes no progress."""
        return self.failed_starts >= self._limits.hopeless_starts

    def ready(self) -> None:
        """Note that the child is ready."""
        self._ready_at = self._clock()
        self.failed_starts = 0

    def died(self) -> float:
        """Note a death, or a start that failed; return the seconds until the child may be started again."""
        if self._ready_at is None:
            self.failed_starts += 1
        elif self._clock() - self._ready_at >= self._limits.steady_seconds:
            self._next = self._first
        self._ready_at = None
        delay, self._next = self._next, min(2 * self._next, self._longest)
        return delay
