"""When workflows arrive, and which of a trace's do."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from sched.errors import ConfigError
from sched.traces.trace_format import TraceWorkflow


def gaps(rate: float, variation: float, rng: random.Random) -> Iterator[float]:
    """Yield seconds between arrivals at ``rate`` per second: gamma with coefficient of variation
    ``variation`` (1: a Poisson process; above: bursts; 0: even)."""
    shape = variation**-2 if variation else 0.0
    while True:
        yield rng.gammavariate(shape, 1 / (shape * rate)) if shape else 1 / rate


def draw(
    trace: Sequence[TraceWorkflow], count: int, rate: float, arrivals: str, seed: int
) -> list[TraceWorkflow]:
    """Return ``count`` workflows that arrive at ``rate`` per second.

    ``arrivals``: ``poisson`` or ``gamma:CV`` shuffle the trace, again and again until there are ``count``;
    ``trace`` keeps its order and its arrivals, stretched to ``rate`` (and repeated).

    Raises:
        ConfigError: unknown ``arrivals``.
    """
    if arrivals == "trace":
        return _replay(trace, count, rate)
    match = re.fullmatch(r"poisson|gamma:(\d+(?:\.\d+)?)", arrivals)
    if match is None:
        message = f"--arrivals: unknown process {arrivals!r}; choose poisson, gamma:3 or trace"
        raise ConfigError(message, field="arrivals")
    rng = random.Random(seed)
    between = gaps(rate, float(match[1] or 1.0), rng)
    drawn: list[TraceWorkflow] = []
    now = 0.0
    while len(drawn) < count:
        lap = list(trace)
        rng.shuffle(lap)
        for workflow in lap[: count - len(drawn)]:
            now += next(between)
            drawn.append(_at(workflow, len(drawn), now))
    return drawn


def _replay(trace: Sequence[TraceWorkflow], count: int, rate: float) -> list[TraceWorkflow]:
    ordered = sorted(trace, key=lambda w: w.arrival)
    first = ordered[0].arrival
    # A lap lasts one mean gap longer than from its first to its last arrival.
    lap = (ordered[-1].arrival - first) * len(ordered) / max(1, len(ordered) - 1) or len(ordered) / rate
    stretch = len(ordered) / rate / lap
    return [
        _at(w, i, (i // len(ordered) * lap + w.arrival - first) * stretch)
        for i, w in ((i, ordered[i % len(ordered)]) for i in range(count))
    ]


def _at(workflow: TraceWorkflow, place: int, arrival: float) -> TraceWorkflow:
    """Return the workflow as the ``place``-th of a run: the same one drawn twice shares no question."""
    return workflow.model_copy(update={"id": f"{place}:{workflow.id}", "arrival": arrival})
