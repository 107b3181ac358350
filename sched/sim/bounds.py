"""What a trace asks of a cluster: expected times of its workflows, and the highest rate physics allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sched.sim.hardware import FLOP_PER_TOKEN, Gpu, average_call_seconds
from sched.sim.prompt_chains import shared_tokens
from sched.traces.trace_format import TraceWorkflow

_LEAST_KV_SECONDS = 1e-15
"""A calibration may find that reading KV costs nothing."""


def stage_seconds(workflows: Sequence[TraceWorkflow], gpus: Sequence[Gpu]) -> dict[str, float]:
    """Return the expected seconds of a lone call of each stage on the average GPU.

    Expected: with the stage's mean lengths in ``workflows``, nothing cached.
    """
    calls: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for workflow in workflows:
        for call in workflow.calls:
            calls[call.stage].append((call.prompt_tokens, call.output))
    return {
        stage: average_call_seconds(
            gpus, sum(p for p, _ in lengths) / len(lengths), sum(o for _, o in lengths) / len(lengths)
        )
        for stage, lengths in calls.items()
    }


def base_seconds(workflow: TraceWorkflow, stages: dict[str, float]) -> float:
    """Return the expected seconds of a workflow alone: its longest chain of stages and SQL.

    An SLO of scale S is S times this.
    """
    ends: dict[int, float] = {}
    for call in workflow.calls:
        start = max((ends[i] for i in call.after), default=0.0)
        ends[call.id] = start + stages[call.stage] + call.sql
    return max(ends.values())


def rate_bound(workflows: Sequence[TraceWorkflow], gpus: Sequence[Gpu]) -> float:
    """Return the workflows per second if all work were spread over all GPUs without idle time.

    The work of a workflow: the FLOPs of its uncached prompt and output tokens, and the KV read while
    decoding, at perfect overlap.  Prefixes that any earlier workflow computed are cached.
    """
    # A second lap with fresh questions finds what workflows share, and nothing of their own.
    lap = [w.model_copy(update={"id": f"{w.id} again"}) for w in workflows]
    calls = sum(len(w.calls) for w in workflows)
    flop = kv_read = 0.0
    for place, (call, cached) in enumerate(shared_tokens([*workflows, *lap])):
        if place < calls:
            continue
        new = call.prompt_tokens - cached
        flop += FLOP_PER_TOKEN * (call.output - 1)
        flop += sum(gpu.prefill_flop(new, cached) for gpu in gpus) / len(gpus)
        kv_read += (call.output - 1) * (call.prompt_tokens + call.output / 2)
    by_compute = sum(gpu.flops for gpu in gpus) / flop
    by_memory = sum(1 / max(_LEAST_KV_SECONDS, gpu.kv_seconds) for gpu in gpus) / max(1.0, kv_read)
    return len(workflows) * min(by_compute, by_memory)
