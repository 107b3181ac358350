"""How fast a runtime usually is, so that one that was slow for a while gets another chance.

A runtime that is believed to be slow gets no calls where faster ones have room, and then nothing shows that
it has recovered.
"""

from __future__ import annotations

RETRY_SECONDS = 10.0
"""So long without a call, a runtime is believed to be as fast as usual again."""
_SLOWER = 1.1
_WEIGHT = 0.01
"""Of a call, once there were a hundred: what is learned in a bad minute stays small in it."""


class UsualSeconds:
    """The mean of what was believed of something, such as a decode step, at the ends of the latest calls, a
    hundred or so."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def learn(self, seconds: float, calls: int) -> None:
        """Note what is believed at the end of a call, the ``calls``-th."""
        self._seconds += max(_WEIGHT, 1 / calls) * (seconds - self._seconds)

    def forgiven(self, seconds: float) -> float:
        """Return by which factor to correct what is believed now; 1 unless it is slower than usual."""
        return self._seconds / seconds if seconds > _SLOWER * self._seconds else 1.0
