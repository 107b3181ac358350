"""The one total order of waiting calls."""

from __future__ import annotations


def queue_position(key: float, sequence: int, priority: int = 0) -> tuple[int, float, int]:
    """Return where a waiting call stands: the smallest position runs first.

    The controller's held queue and the queue inside SGLang's scheduler both sort by it, so a call
    keeps its place when it is handed over.  ``priority`` is what its client asked for, as in SGLang:
    the larger goes first, whatever the policy says, without ageing.  Among equals decides ``key``, the
    ordering policy's urgency; ``sequence`` (unique, ascending with arrival) breaks ties.  There is no
    further criterion.
    """
    return (-priority, key, sequence)
