"""Which requests a scheduler has taken in and begun, for whoever checks that nothing runs twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.worker.run_ledger import RunLedger


class BatchLedger:
    """Stands around the choice of the next batch, and writes to ``ledger``.

    A request whose prompt takes several passes begins once.  What is known of a request is forgotten once it
    neither waits nor runs.
    """

    def __init__(self, ledger: RunLedger) -> None:
        self._ledger = ledger
        self._came: set[str] = set()
        self._began: set[str] = set()

    def __call__(self, original: Callable[..., Any], scheduler: Any, *args: Any, **kwargs: Any) -> Any:
        """Note what has come, let SGLang choose, note what it chose to begin."""
        waiting = {request.rid for request in scheduler.waiting_queue}
        for rid in waiting - self._came:
            self._ledger.came(rid)
        self._came = waiting
        plan = original(scheduler, *args, **kwargs)
        batch = plan.batch_to_run
        chosen = {request.rid for request in batch.reqs} if batch is not None else set()
        if batch is not None and batch.forward_mode.is_extend():
            for rid in chosen - self._began:
                self._ledger.began(rid)
        self._began = chosen | {request.rid for request in scheduler.running_batch.reqs}
        return plan
