"""The controller's table of workers: who they are, whether they may serve, when they were last heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.wire.messages import Heartbeat, Hello
from engine.wire.ordering_proof import PROOF_ORDER
from sched.events import PassesReported, RuntimeUp
from sched.predict.speed import Chunks, Pass, Speed


@dataclass(slots=True)
class Worker:
    """One runtime as it introduced itself; ``last_seen`` is seconds on the controller's clock."""

    identity: bytes
    hello: Hello
    last_seen: float
    load: Heartbeat | None = None


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

    ``lost_after_seconds`` without a heartbeat count as loss.
    """

    def __init__(self, expected: Sequence[str], *, allow_simulated: bool, lost_after_seconds: float) -> None:
        self.expected = tuple(expected)
        self._allow_simulated = allow_simulated
        self._lost_after = lost_after_seconds
        self._workers: dict[str, Worker] = {}

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

    def welcome(self, identity: bytes, hello: Hello, now: float) -> bool:
        """Add or renew a worker; return whether it is a new process (its old work is gone)."""
        known = self._workers.get(hello.runtime)
        if known is not None and known.hello.pid == hello.pid:
            known.identity, known.last_seen = identity, now
            return False
        self._workers[hello.runtime] = Worker(identity, hello, now)
        return True

    def heard(self, heartbeat: Heartbeat, now: float) -> bool:
        """Note a heartbeat; return whether it came from a welcomed worker."""
        worker = self._workers.get(heartbeat.runtime)
        if worker is not None:
            worker.last_seen, worker.load = now, heartbeat
        return worker is not None

    def lost(self, now: float) -> list[str]:
        """Remove and return the runtimes that were silent for too long."""
        gone = [n for n, w in self._workers.items() if now - w.last_seen > self._lost_after]
        for name in gone:
            del self._workers[name]
        return gone

    def remove(self, pid: int) -> str | None:
        """Remove the worker whose process is ``pid`` and return its runtime; ``None`` if there is none."""
        name = next((n for n, w in self._workers.items() if w.hello.pid == pid), None)
        if name is not None:
            del self._workers[name]
        return name

    def get(self, name: str) -> Worker | None:
        """Return the worker of a runtime, if it is there."""
        return self._workers.get(name)

    def identities(self) -> list[bytes]:
        """Return the link identities of all workers."""
        return [worker.identity for worker in self._workers.values()]

    def __len__(self) -> int:
        return len(self._workers)

    @property
    def context_length(self) -> int | None:
        """The smallest context length of the workers, in tokens; ``None`` without workers."""
        return min((w.hello.context_length for w in self._workers.values()), default=None)

    def describe(self, now: float) -> list[dict[str, Any]]:
        """Return one dictionary per expected runtime, for ``/workers``."""
        return [self._describe(name, now) for name in self.expected]

    def _describe(self, name: str, now: float) -> dict[str, Any]:
        worker = self._workers.get(name)
        if worker is None:
            return {"name": name, "status": "missing"}
        hello, load = worker.hello, worker.load
        return {
            "name": name,
            "status": "ready",
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
            "calibrated": bool(hello.speed),
            "hook_live": tuple(hello.hook_proof) == PROOF_ORDER,
            "hook_proof": list(hello.hook_proof),
            "last_heartbeat_seconds": round(now - worker.last_seen, 3),
            "running": None if load is None else load.running,
            "waiting": None if load is None else load.waiting,
            "used_tokens": None if load is None else load.used_tokens,
            "scheduler_steps": None if load is None else load.scheduler_steps,
        }
