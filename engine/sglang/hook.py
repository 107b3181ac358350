"""The plugin inside SGLang's processes: our order instead of first come first served.

SGLang loads it through the entry point ``sglang.srt.plugins``, and in every SGLang started from the same
environment; it does nothing unless the worker set ``SLUICE_HOOK=1``.  Its hooks live in the
scheduler process:

- ``SchedulePolicy.calc_priority``: the waiting queue is sorted by ``sched.order.queue_position``.  A
  request's key travels in its ``sampling_params.custom_params["sluice"]``, the same on all ranks of a
  tensor-parallel runtime, and no clock is read, so all ranks sort alike.
  ``Scheduler.sluice_rekey`` changes the key of a request, waiting or about to come.
- ``Scheduler.ingest_requests``: counts the turns of the loop (``engine/sglang/turns.py``).
- ``Scheduler.run_batch``: counts and times forward passes, around ``engine/sglang/slowdown.py``.
- ``Scheduler.get_new_batch_prefill``: a prefill budget beside decoding (``engine/sglang/mixed_chunks.py``);
  nothing that waits begins while the worker may have been given up (``engine/sglang/fence.py``).
- ``Scheduler.__init__``: writes down why a start failed, for the worker to report; closes a socket that
  nobody reads.
- ``BaseGrammarBackend.set_cache``: few compiled grammars are kept (``engine/sglang/grammars.py``).
- ``schedule_batch.re``: stop patterns are matched in linear time (``engine/wire/stop_patterns.py``).
- ``Scheduler.get_next_batch_to_run``: what begins is written down, if a test asks for it
  (``engine/sglang/batch_ledger.py``).
- On a CPU nothing is compiled at its first use (``engine/sglang/first_use.py``).

SGLang only logs a plugin that raises and goes on with its own policy.  Hence the proof: the worker calls
``Scheduler.sluice_prove`` in the scheduler process and refuses the runtime without its report.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.sglang import slowdown, variables
from engine.sglang.batch_ledger import BatchLedger
from engine.sglang.fence import Fence
from engine.sglang.first_use import run_as_written
from engine.sglang.grammars import keep_few
from engine.sglang.mixed_chunks import BATCHING_METHOD, set_batching, with_budget
from engine.sglang.pass_ring import PASSES_FILE, PassWriter
from engine.sglang.pass_watch import PassWatch
from engine.sglang.turns import TurnCounter, turning_method
from engine.wire.ordering_proof import PROOF_ORDER, PROOF_QUEUE
from engine.wire.stop_patterns import LinearRe
from engine.worker.lease import LeaseReader
from engine.worker.own_log import log_as
from engine.worker.run_ledger import asked_for
from sched.order import queue_position

CUSTOM_PARAM = "sluice"
PROVE_METHOD = "sluice_prove"
REKEY_METHOD = "sluice_rekey"
STEPS_FILE = "scheduler-steps"
FAILURE_FILE = "start-failure"

_SCHEDULER = "sglang.srt.managers.scheduler"
_BATCH = "sglang.srt.managers.schedule_batch"
_SET_GRAMMAR = "sglang.srt.constrained.base_grammar_backend.BaseGrammarBackend.set_cache"
_STEPS = struct.Struct("<Q")
NEW_KEYS = "sluice_new_keys"
"""The attribute of SGLang's policy that holds keys whose requests have not been ordered since."""
_MAX_NEW_KEYS = 4096


def custom_params(key: float, sequence: int, priority: int = 0) -> dict[str, Any]:
    """Return the ``custom_params`` that carry a request's place in the queue."""
    return {CUSTOM_PARAM: {"key": float(key), "sequence": int(sequence), "priority": int(priority)}}


def register() -> None:
    """Install the hooks where they belong: in a scheduler process of one of our workers.

    Raises:
        ValueError: ``SLUICE_SLOWDOWN`` is not a number ≥ 1.
        AttributeError: this version of SGLang has no method to count the turns of its loop by.
    """
    if os.environ.get(variables.HOOK) != "1" or _SCHEDULER not in sys.modules:
        return
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    if log := os.environ.get(variables.LOG):
        log_as(*log.split())
    scheduler_class = sys.modules[_SCHEDULER].Scheduler
    turn = f"{_SCHEDULER}.Scheduler.{turning_method(scheduler_class)}"
    slowdown.register()  # before our hook on the same method, so that it is inside
    run_dir = Path(os.environ[variables.RUN_DIR])
    policy = "sglang.srt.managers.schedule_policy.SchedulePolicy"
    for target, hook in (
        (f"{policy}.calc_priority", in_our_order),
        (f"{_SCHEDULER}.Scheduler.run_batch", _StepHook(run_dir)),
        (f"{_SCHEDULER}.Scheduler.get_new_batch_prefill", with_budget),
        (f"{_SCHEDULER}.Scheduler.get_new_batch_prefill", Fence(LeaseReader(run_dir))),
        (f"{_SCHEDULER}.Scheduler.__init__", _FailureReport(run_dir / FAILURE_FILE)),
    ):
        HookRegistry.register(target, hook, HookType.AROUND)
    if ledger := asked_for():
        chooser = f"{_SCHEDULER}.Scheduler.get_next_batch_to_run"
        HookRegistry.register(chooser, BatchLedger(ledger), HookType.AROUND)
    HookRegistry.register(turn, TurnCounter(run_dir), HookType.BEFORE)
    HookRegistry.register(f"{_SCHEDULER}.Scheduler.__init__", close_unread, HookType.AFTER)
    HookRegistry.register(_SET_GRAMMAR, keep_few, HookType.AFTER)
    sys.modules[_BATCH].re = LinearRe  # type: ignore[attr-defined]
    if os.environ.get(variables.CPU_CURES) == "1":
        run_as_written()
    setattr(scheduler_class, PROVE_METHOD, _prove)
    setattr(scheduler_class, REKEY_METHOD, rekey)
    setattr(scheduler_class, BATCHING_METHOD, set_batching)


def in_our_order(
    original: Callable[..., None], policy: Any, waiting_queue: list[Any], *args: Any, **kwargs: Any
) -> None:
    """Let SGLang's policy do its bookkeeping, then sort ``waiting_queue`` in place."""
    original(policy, waiting_queue, *args, **kwargs)
    if keys := getattr(policy, NEW_KEYS, None):
        for request in waiting_queue:
            carried = _carried(request)
            if carried is not None and request.rid in keys:
                carried["key"] = keys.pop(request.rid)
    waiting_queue.sort(key=_position)


def rekey(scheduler: Any, keys: str) -> None:
    """Note new keys, JSON of request id to key; they hold from the next time the queue is ordered.

    Called through ``Engine.collective_rpc``, which reaches all ranks between the same two forward passes.
    A key may come before its request; one whose request has started is of no use, and the oldest go.
    """
    noted: dict[str, float] = getattr(scheduler.policy, NEW_KEYS, {}) | json.loads(keys)
    setattr(scheduler.policy, NEW_KEYS, dict(list(noted.items())[-_MAX_NEW_KEYS:]))


def close_unread(_result: None, scheduler: Any, *_args: Any, **_kwargs: Any) -> None:
    """Close the socket on which SGLang sends figures with every prefill, once it publishes cache events.

    Nobody binds the other end, and what is sent to it stays in memory (160 bytes each) for good.  SGLang
    looks whether the socket is closed before it sends.
    """
    socket = getattr(getattr(scheduler, "ipc_channels", None), "send_metrics_from_scheduler", None)
    if socket is not None:
        socket.close(linger=0)


def _carried(request: Any) -> dict[str, Any] | None:
    carried: dict[str, Any] | None = (request.sampling_params.custom_params or {}).get(CUSTOM_PARAM)
    return carried


def _position(request: Any) -> tuple[bool, tuple[int, float, int]]:
    """Requests that didn't come from us (health checks) go first, in the order of their arrival."""
    carried = _carried(request)
    if carried is None:
        return (False, (0, 0.0, 0))
    return (True, queue_position(carried["key"], carried["sequence"], carried["priority"]))


class _StepHook:
    """Counts forward passes in a small shared file, and times them."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / STEPS_FILE
        self._watch = PassWatch(PassWriter(run_dir / PASSES_FILE))
        self._shared: mmap.mmap | None = None

    def __call__(self, original: Callable[..., Any], scheduler: Any, *args: Any, **kwargs: Any) -> Any:
        self._watch.starts(scheduler)
        began = self._watch.now()
        result = original(scheduler, *args, **kwargs)
        self._watch.ended(scheduler, args[0] if args else kwargs["batch"], began)
        if self._shared is None:
            self._shared = _shared_counter(self._path)
        _STEPS.pack_into(self._shared, 0, scheduler.forward_ct)
        return result


class _FailureReport:
    """Leaves the reason in a file when the scheduler can't be built, then lets the error go on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, original: Callable[..., None], scheduler: Any, *args: Any, **kwargs: Any) -> None:
        try:
            original(scheduler, *args, **kwargs)
        except Exception as error:
            self._path.write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
            raise


def _shared_counter(path: Path) -> mmap.mmap:
    # Opened without truncation: the ranks of a tensor-parallel runtime share the file.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, _STEPS.size)
        return mmap.mmap(descriptor, _STEPS.size)
    finally:
        os.close(descriptor)


def read_steps(run_dir: Path) -> int:
    """Return how many forward passes the scheduler of the worker with ``run_dir`` has made."""
    try:
        content = (run_dir / STEPS_FILE).read_bytes()
    except FileNotFoundError:
        return 0
    return int(_STEPS.unpack(content)[0]) if len(content) == _STEPS.size else 0


def _prove(scheduler: Any, report: str) -> None:
    """Have this process's policy order synthetic requests and write what it made of them to
    ``report``.<pid>, with the sizes that only the scheduler knows.

    Called through ``Engine.collective_rpc``; a raise is an unsuccessful answer.

    Raises:
        RuntimeError: they don't come out in our order.
    """
    queue = [_synthetic_request(name, place) for name, place in PROOF_QUEUE.items()]
    scheduler.policy.calc_priority(queue, None)
    order = [request.rid for request in queue]
    if tuple(order) != PROOF_ORDER:
        raise RuntimeError(f"the waiting queue was ordered {order}, not {list(PROOF_ORDER)}")
    content = {
        "order": order,
        "max_running_requests": scheduler.max_running_requests,
        "max_total_tokens": scheduler.max_total_num_tokens,
        "overlap": scheduler.enable_overlap,
        "chunk_tokens": scheduler.chunked_prefill_size or scheduler.max_prefill_tokens,
        "mixed": scheduler.is_mixed_chunk,
    }
    Path(f"{report}.{os.getpid()}").write_text(json.dumps(content), encoding="utf-8")


def _synthetic_request(name: str, place: tuple[float, int, int] | None) -> Any:
    from sglang.srt.managers.schedule_batch import Req
    from sglang.srt.sampling.sampling_params import SamplingParams

    params = SamplingParams(max_new_tokens=1, custom_params=custom_params(*place) if place else None)
    return Req(name, "", array("q", [0, 1, 2]), params)
