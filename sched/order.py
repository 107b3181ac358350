"""The one total order of waiting calls."""

from __future__ import annotations


def queue_position(key: float, sequence: int) -> tuple[float, int]:
    """Return where a waiting call stands: the smallest position runs first.

    The controller's held queue and the queue inside SGLang's scheduler both sort by it, so a call
    keeps its place when it is handed over.  ``key`` is the ordering policy's urgency, ``sequence``
    (unique, ascending with arrival) breaks ties; there is no third criterion.
    """
    return (key, sequence)
