"""Builders for the simulator's tests: small runtimes, requests and traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from launch.shipped import ordering_registry, placement_registry
from sched.order import queue_position
from sched.sim.batching import Batching, SimRuntimeConfig
from sched.sim.engine_model import EngineModel
from sched.sim.figures import Recording
from sched.sim.hardware import ATTENTION_FLOP, FLOP_PER_TOKEN, GPUS
from sched.sim.prompt_chains import PIECE_TOKENS
from sched.sim.running_batch import SimRequest
from sched.sim.simulator import SimOptions, Simulator
from sched.traces.trace_format import TraceCall, TraceSegment, TraceWorkflow
from sched.workflow import SegmentKind

A100 = GPUS["a100"]


def engine(**settings: Any) -> EngineModel:
    """Return a runtime on an A100; ``settings`` are ``Batching``'s."""
    return EngineModel(
        A100, replace(Batching(chunked_prefill_size=512, max_total_tokens=100_000), **settings)
    )


def request(call_id: int, prompt: int = 640, output: int = 10, **changes: Any) -> SimRequest:
    """Return a request that shares nothing, in order of ``call_id``; the prompt is whole pieces."""
    values: dict[str, Any] = {
        "call_id": call_id,
        "attempt": 1,
        "position": queue_position(0.0, call_id),
        "pieces": pieces(call_id, prompt),
        "prompt_tokens": prompt,
        "output_tokens": output,
        "max_new_tokens": output,
        "received_at": 0.0,
    }
    return SimRequest(**{**values, **changes})


def pieces(family: int, tokens: int) -> tuple[int, ...]:
    """Return the pieces of a prompt; two of one ``family`` share the shorter one's."""
    assert tokens % PIECE_TOKENS == 0
    return tuple((family << 28) + (i << 8) + PIECE_TOKENS for i in range(tokens // PIECE_TOKENS))


def prefill_seconds(tokens: int, cached: int = 0) -> float:
    """Return the seconds of one chunk with nothing beside it."""
    flop = tokens * (FLOP_PER_TOKEN + ATTENTION_FLOP * (cached + tokens / 2))
    return A100.iteration_seconds(flop, cached + tokens)


def decode_seconds(*contexts: int) -> float:
    """Return the seconds of one decode step of requests with these contexts."""
    return A100.iteration_seconds(len(contexts) * FLOP_PER_TOKEN, sum(contexts))


class Log:
    """When requests had their first token, finished or were refused, by call id, in seconds."""

    def __init__(self) -> None:
        self.first: dict[int, float] = {}
        self.finished: dict[int, float] = {}
        self.failed: list[int] = []


def run(model: EngineModel, arrivals: Sequence[tuple[float, SimRequest]]) -> Log:
    """Run a runtime until it is idle; ``arrivals`` are in order of time."""
    log, left, now = Log(), list(arrivals), 0.0
    while True:
        if left and (model.end is None or left[0][0] < model.end):
            now, arrived = left.pop(0)
            model.submit(arrived, now)
            if model.end is not None or (left and left[0][0] == now):
                continue
        elif model.end is not None:
            now = model.end
            progress = model.complete(now)
            log.first.update({r.call_id: now for r in progress.first})
            log.finished.update({r.call_id: now for r in progress.finished})
        else:
            return log
        log.failed += [r.call_id for r in model.plan(now)]


def trace_call(call_id: int, *after: int, prompt: int = 320, output: int = 20, **changes: Any) -> TraceCall:
    """Return a call whose prompt occurs once."""
    values: dict[str, Any] = {
        "id": call_id,
        "stage": f"stage{call_id}",
        "after": after,
        "segments": (TraceSegment(SegmentKind.QUESTION, None, prompt),),
        "output": output,
    }
    return TraceCall(**{**values, **changes})


def trace_workflow(*calls: TraceCall, workflow_id: str = "w0", **changes: Any) -> TraceWorkflow:
    """Return a workflow that arrives at 0."""
    return TraceWorkflow(**{"id": workflow_id, "arrival": 0.0, "calls": calls, **changes})


def simulate(
    *workflows: TraceWorkflow,
    gpus: Sequence[str] = ("a100",),
    placement: str = "round_robin",
    ordering: str = "fcfs",
    config: SimRuntimeConfig | None = None,
    **options: Any,
) -> Recording:
    """Run workflows; ``options`` are ``SimOptions``'s."""
    simulator = Simulator(
        [GPUS[name] for name in gpus],
        config or SimRuntimeConfig(name="mixed2048"),
        placement_registry().load(placement),
        ordering_registry().load(ordering),
        SimOptions(**options),
    )
    return simulator.run(workflows)
