"""The gate's end inside SGLang: a plugin that only tests put on its path (see ``tests/pass_gate.py``)."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.sglang.hook import NEW_KEYS
from tests.pass_gate import ORDER, VARIABLE, replace_text

_SCHEDULER = "sglang.srt.managers.scheduler"
_POLL_SECONDS = 0.005


def register() -> None:
    """Install the gate in a scheduler process whose test asks for one."""
    folder = os.environ.get(VARIABLE)
    if folder is None or _SCHEDULER not in sys.modules:
        return
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    keeper = GateKeeper(Path(folder))
    HookRegistry.register(f"{_SCHEDULER}.Scheduler.get_next_batch_to_run", keeper, HookType.AROUND)


class GateKeeper:
    """Stands before the choice of the next batch, after SGLang has taken in what had come."""

    def __init__(self, folder: Path) -> None:
        self._order = folder / ORDER
        self._report = folder / f"seen-{os.getpid()}.json"
        self._told: dict[str, Any] = {}
        self._admitted: dict[str, int] = {}

    def __call__(self, original: Callable[..., Any], scheduler: Any, *args: Any, **kwargs: Any) -> Any:
        order = self._wanted()
        if order.get("hold"):
            self._admitted = {}
        until = time.monotonic() + order.get("pass_seconds", 0.0)
        while order.get("hold") or (order and time.monotonic() < until):
            scheduler.ingest_requests()
            scheduler.publish_load_snapshot(force=True)
            self._tell(scheduler)
            time.sleep(_POLL_SECONDS)
            order = self._wanted()
        plan = original(scheduler, *args, **kwargs)
        batch = plan.batch_to_run
        if batch is not None and batch.forward_mode.is_extend():
            for request in batch.reqs:
                self._admitted.setdefault(request.rid, request.sampling_params.max_new_tokens)
        self._tell(scheduler)
        return plan

    def _wanted(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._order.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}

    def _tell(self, scheduler: Any) -> None:
        told = {
            "waiting": len(scheduler.waiting_queue),
            "running": len(scheduler.running_batch.reqs),
            "new_keys": len(getattr(scheduler.policy, NEW_KEYS, ())),
            "admitted": list(self._admitted.values()),
        }
        if told != self._told:
            self._told = told
            replace_text(self._report, json.dumps(told))
