"""The controller's table of workers: who they are, whether they may serve, when they were last heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from engine.controller.stopped_processes import is_stopped
from engine.wire.messages import Heartbeat, Hello
from engine.wire.ordering_proof import PROOF_ORDER
from engine.wire.worker_ended import WorkerEnded
from sched.clock import AttentiveClock, Clock, monotonic
from sched.events import PassesReported, RuntimeUp
from sched.liveness import LifeLimits
from sched.predict.speed import Chunks, Pass, Speed

_MOST_SECONDS = 2.0
"""So much of the time between two looks counts as a worker's silence: it is several periods of them."""


class Standing(Enum):
    """What a heartbeat means: its worker is unknown, serves, was just found to hang, or still hangs."""

    UNKNOWN = "unknown"
    SERVING = "serving"
    NOW_HUNG = "now hung"
    HUNG = "hung"


@dataclass(slots=True)
class Worker:
    """One runtime as it introduced itself; ``last_seen`` and ``hung_since`` are seconds on the table's clock.

    ``dismissed``: it was told to end.
    """

    identity: bytes
    hello: Hello
    last_seen: float
    load: Heartbeat | None = None
    hung_since: float | None = None
    dismissed: bool = False


def runtime_up(hello: Hello) -> RuntimeUp:
    """Return what the core is told of a runtime that introduced itself."""
    return RuntimeUp(
        hello.runtime,
        hello.max_total_tokens,
        hello.max_running_requests,
        Speed(**hello.speed) if hello.speed else None,
        Chunks(hello.chunk_tokens, hello.mixed),
        hello.overlap,
    )


def passes_reported(heartbeat: Heartbeat) -> PassesReported:
    """Return what the core is told of a runtime's latest forward passes."""
    return PassesReported(heartbeat.runtime, [_pass(*fields) for fields in heartbeat.passes])


def _pass(
    requests: float, tokens: float, reach: float, square: float, calls: float, context: float, seconds: float
) -> Pass:
    return Pass(int(requests), int(tokens), reach, square, int(calls), int(context), seconds)


class WorkerTable:
    """Workers by runtime name.  ``expected`` names the runtimes of this server.

    A worker whose scheduler hangs stays in the table, but serves no more until it introduces itself anew.
    What passes while this process is stopped, by ``clock``, is nobody's silence.  ``stopped`` tells whether
    a process of this machine is stopped.
    """

    def __init__(
        self,
        expected: Sequence[str],
        *,
        allow_simulated: bool,
        limits: LifeLimits,
        clock: Clock = monotonic,
        stopped: Callable[[int], bool] = is_stopped,
    ) -> None:
        self._stopped = stopped
        self.expected = tuple(expected)
        self._allow_simulated = allow_simulated
        self._limits = limits
        self._clock = AttentiveClock(clock, _MOST_SECONDS)
        self._workers: dict[str, Worker] = {}
        self._ended: dict[str, WorkerEnded] = {}

    def refusal(self, hello: Hello) -> str | None:
        """Return why the worker may not serve, or ``None``."""
        others = [w.hello for w in self._workers.values() if w.hello.runtime != hello.runtime]
        if hello.runtime not in self.expected:
            return f"this server has no runtime {hello.runtime!r}"
        if hello.simulated and not self._allow_simulated:
            return "simulated runtimes need the flag --simulated"
        if tuple(hello.hook_proof) != PROOF_ORDER:
            return f"no proof that our ordering is live in its scheduler (got {list(hello.hook_proof)})"
        if any(other.tokenizer_hash != hello.tokenizer_hash for other in others):
            return "its tokenizer differs from the other runtimes'"
        return None

    def welcome(self, identity: bytes, hello: Hello) -> bool:
        """Add or renew a worker; return whether it is new (what it may still run is of no use).

        So is one whose connection broke: what was on its way then is lost.
        """
        known, now = self.get(hello.runtime), self._clock()
        self._ended.pop(hello.runtime, None)
        if known is not None and (known.hello.pid, known.hello.connection) == (hello.pid, hello.connection):
            known.identity, known.last_seen = identity, now
            return False
        self._workers[hello.runtime] = Worker(identity, hello, now)
        return True

    def heard(self, heartbeat: Heartbeat, pass_seconds: float) -> Standing:
        """Note a heartbeat of a runtime whose longest pass now is predicted to last ``pass_seconds``.

        One that hung and shows signs of life again is forgotten, hence unknown.
        """
        worker, now = self._workers.get(heartbeat.runtime), self._clock()
        if worker is None:
            return Standing.UNKNOWN
        worker.last_seen, worker.load = now, heartbeat
        hangs = self._limits.is_hung(heartbeat.still_seconds, pass_seconds)
        if worker.hung_since is None:
            worker.hung_since = now if hangs else None
            return Standing.NOW_HUNG if hangs else Standing.SERVING
        if hangs or worker.dismissed:
            return Standing.HUNG
        del self._workers[heartbeat.runtime]
        return Standing.UNKNOWN

    def silent(self) -> list[Worker]:
        """Return the workers that were silent for too long: sooner if they are stopped, thus not starved."""
        now, limits = self._clock(), self._limits
        return [
            worker
            for worker in self._workers.values()
            if (silent := now - worker.last_seen) > limits.lost_seconds
            or (silent > limits.hung_seconds and self._stopped(worker.hello.pid))
        ]

    def remove(self, worker: Worker) -> None:
        """Forget a worker."""
        del self._workers[worker.hello.runtime]

    def dismiss_hung(self) -> list[Worker]:
        """Return, each once, the workers that have hung for so long that they must end."""
        now = self._clock()
        over = [
            worker
            for worker in self._workers.values()
            if not worker.dismissed
            and worker.hung_since is not None
            and now - worker.hung_since > self._limits.kill_seconds
        ]
        for worker in over:
            worker.dismissed = True
        return over

    def ended(self, ended: WorkerEnded) -> str | None:
        """Note the end of a worker's process; return its runtime if it was known."""
        if ended.runtime in self.expected:
            self._ended[ended.runtime] = ended
        name = next((n for n, w in self._workers.items() if w.hello.pid == ended.pid), None)
        if name is not None:
            del self._workers[name]
        return name

    def get(self, name: str) -> Worker | None:
        """Return the worker of a runtime, if it serves."""
        worker = self._workers.get(name)
        return None if worker is None or worker.hung_since is not None else worker

    def known(self, name: str) -> Worker:
        """Return the worker of a runtime, whether it serves or hangs.

        Raises:
            KeyError: there is none.
        """
        return self._workers[name]

    def present(self) -> list[Worker]:
        """Return all workers that are there, whether they serve or hang."""
        return list(self._workers.values())

    @property
    def missing(self) -> list[str]:
        """The expected runtimes that don't serve."""
        return [name for name in self.expected if self.get(name) is None]

    def __len__(self) -> int:
        """Runtimes that serve."""
        return len(self.expected) - len(self.missing)

    @property
    def context_length(self) -> int | None:
        """The smallest context length of the workers that serve, in tokens; ``None`` without one."""
        return min((hello.context_length for hello in self._serving), default=None)

    @property
    def read_tool_calls(self) -> bool:
        """Whether all workers that serve read calls of tools in the format of their model."""
        return all(hello.tool_call_parser for hello in self._serving)

    @property
    def _serving(self) -> list[Hello]:
        return [worker.hello for name in self.expected if (worker := self.get(name))]

    def describe(self) -> list[dict[str, Any]]:
        """Return one dictionary per expected runtime, for ``/workers``."""
        return [self._describe(name, self._clock()) for name in self.expected]

    def _describe(self, name: str, now: float) -> dict[str, Any]:
        worker = self._workers.get(name)
        if worker is None:
            ended = self._ended.get(name)
            return {"name": name, "status": "missing"} | (ended.describe() if ended else {})
        hello, load = worker.hello, worker.load
        return {
            "name": name,
            "status": "ready" if worker.hung_since is None else "hung",
            "simulated": hello.simulated,
            "pid": hello.pid,
            "device": hello.device,
            "model_path": hello.model_path,
            "slowdown": hello.slowdown,
            "engine_version": hello.engine_version,
            "context_length": hello.context_length,
            "max_total_tokens": hello.max_total_tokens,
            "max_running_requests": hello.max_running_requests,
            "chunk_tokens": hello.chunk_tokens,
            "mixed": hello.mixed,
            "tool_call_parser": hello.tool_call_parser or None,
            "calibrated": bool(hello.speed),
            "hook_live": tuple(hello.hook_proof) == PROOF_ORDER,
            "hook_proof": list(hello.hook_proof),
            "last_heartbeat_seconds": round(now - worker.last_seen, 3),
            "running": None if load is None else load.running,
            "waiting": None if load is None else load.waiting,
            "used_tokens": None if load is None else load.used_tokens,
            "scheduler_steps": None if load is None else load.scheduler_steps,
            "still_seconds": None if load is None else round(load.still_seconds, 3),
        }
