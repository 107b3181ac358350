"""A scheduler that begins no waiting call while its worker may have been given up.

Its worker says whether it was (``engine/worker/lease.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.worker.lease import LeaseReader


class Fence:
    """Stands around SGLang's ``get_new_batch_prefill``: without a lease it sees an empty queue.

    So a prompt that is prefilled in chunks goes on, and so does decoding.
    """

    def __init__(self, lease: LeaseReader) -> None:
        self._lease = lease

    def __call__(self, original: Callable[..., Any], scheduler: Any, *args: Any, **kwargs: Any) -> Any:
        """Let SGLang choose among the requests that may begin."""
        if not scheduler.waiting_queue or self._lease.holds():
            return original(scheduler, *args, **kwargs)
        kept, scheduler.waiting_queue = scheduler.waiting_queue, []
        try:
            return original(scheduler, *args, **kwargs)
        finally:
            scheduler.waiting_queue = [*kept, *scheduler.waiting_queue]
