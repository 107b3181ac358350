"""A cell whose questions go to databases of given sizes, with whole schemas, linked tables or the cheaper."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from launch.lab.cells import Cell
from launch.shipped import ordering_registry, placement_registry
from sched.cache.rent_or_buy import RentOrBuy
from sched.sim.bounds import rate_bound
from sched.sim.figures import WARM_UP, Recording, summarise
from sched.sim.hardware import parse_cluster
from sched.sim.simulator import PromptCost, SimOptions, Simulator
from sched.traces.trace_format import TraceCall, TraceSegment, TraceWorkflow
from sched.workflow import SegmentKind

WHOLE, LINKED, DECIDED = SHAPES = "whole", "linked", "decided"
_TABLE_TOKENS = 250
"""About 21 columns."""
_LEAST_LINKED, _MOST_LINKED = 2, 8
_ZIPF = 1.1
"""Of a database's tables, the n-th is needed in proportion to n^−1.1."""


@dataclass(frozen=True, slots=True)
class EqualDatabases:
    """``count`` databases with schemas of ``tokens``; together they get ``share`` of the questions."""

    count: int
    tokens: int
    share: float


MIXES: Mapping[str, tuple[EqualDatabases, ...]] = {
    "1 of 2k": (EqualDatabases(1, 2_000, 1.0),),
    "1 of 20k": (EqualDatabases(1, 20_000, 1.0),),
    "20 of 2k": (EqualDatabases(20, 2_000, 1.0),),
    "20 of 20k": (EqualDatabases(20, 20_000, 1.0),),
    "half to 1 of 2k, half to 20 of 20k": (EqualDatabases(1, 2_000, 0.5), EqualDatabases(20, 20_000, 0.5)),
    "80% to 1 of 20k, 20% to 20 of 20k": (EqualDatabases(1, 20_000, 0.8), EqualDatabases(20, 20_000, 0.2)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeCell(Cell):
    """A cell with the databases of ``mix`` instead of the trace's, and the ``shape`` of what prompts show."""

    mix: str
    shape: str

    def run(self) -> dict[str, Any]:
        """Return the cell's figures; ``prefill_tokens``: uncached prompt tokens per workflow, in the mean."""
        lap = self._draw(1.0)
        bound = rate_bound(lap, parse_cluster(self.cluster))
        assert self.load is not None
        rate = self.load * bound
        recording = self._simulate(rate)
        counted = recording.workflows[int(len(recording.workflows) * WARM_UP) :]
        computed = sum(c.prompt_tokens - c.cached_tokens for w in counted for c in w.calls)
        figures = summarise(recording, self.slo_scale).as_dict()
        return {"rate": rate, **figures, "prefill_tokens": computed / len(counted)}

    def _simulate(self, rate: float) -> Recording:
        workflows = self._draw(rate)
        simulator = Simulator(
            parse_cluster(self.cluster),
            self._config(),
            placement_registry().load(self.placement),
            ordering_registry().load(self.ordering),
            SimOptions(slo_scale=self.slo_scale, early_ending=self.early_ending),
            choose=Shapes(self.shape, MIXES[self.mix], self.seed).choose,
        )
        return simulator.run(workflows)

    def _draw(self, rate: float) -> list[TraceWorkflow]:
        """Return the trace's workflows, each with a database of the mix and its whole schema."""
        shapes = Shapes(WHOLE, MIXES[self.mix], self.seed)
        # Not super(): a dataclass with slots is another class than the one that its methods see.
        return [shapes.asked(workflow) for workflow in Cell._draw(self, rate)]


class Shapes:
    """Decides what the calls of a run show; a workflow's needs depend on its id and the ``seed`` alone."""

    def __init__(self, shape: str, mix: tuple[EqualDatabases, ...], seed: int) -> None:
        self._shape = shape
        self._mix = mix
        self._seed = seed
        self._rules: dict[str, RentOrBuy] = defaultdict(RentOrBuy)
        self._last: dict[tuple[str, str], TraceCall] = {}
        self._decided: dict[tuple[str, str], bool] = {}

    def asked(self, workflow: TraceWorkflow) -> TraceWorkflow:
        """Return ``workflow`` as a question to one of the databases, with whole schemas."""
        name, tokens, _ = self._question(workflow.id)
        calls = tuple(_with_schema(call, [(name, tokens)]) for call in workflow.calls)
        return workflow.model_copy(update={"database": name, "calls": calls})

    def choose(self, workflow: TraceWorkflow, call: TraceCall, cost: PromptCost) -> TraceCall:
        """Return ``call`` with the whole schema or with linked tables."""
        if self._shape == WHOLE or not any(s.kind is SegmentKind.SCHEMA for s in call.segments):
            return call
        name, _, tables = self._question(workflow.id)
        linked = _with_schema(call, [(f"{name} table {table}", _TABLE_TOKENS) for table in tables])
        if self._shape == LINKED:
            return linked
        template = str(call.segments[0].shared)
        question, key = (workflow.id, template), (name, template)
        if question not in self._decided:
            last = self._last.get(key)
            self._decided[question] = self._rules[name].takes_whole(
                template, cost(workflow, call), cost(workflow, linked), cost(workflow, last) if last else None
            )
            self._last[key] = _beginning(call if self._decided[question] else linked)
        return call if self._decided[question] else linked

    def _question(self, workflow_id: str) -> tuple[str, int, list[int]]:
        """Return a question's database, its tokens, and the tables needed, most shared first."""
        rng = random.Random(f"{self._seed} {workflow_id}")
        kind = rng.choices(range(len(self._mix)), [databases.share for databases in self._mix])[0]
        databases = self._mix[kind]
        count = max(1, databases.tokens // _TABLE_TOKENS)
        weights = [(rank + 1) ** -_ZIPF for rank in range(count)]
        wanted = rng.randint(_LEAST_LINKED, _MOST_LINKED)
        tables = sorted(set(rng.choices(range(count), weights, k=wanted)))
        return f"{kind}/{rng.randrange(databases.count)}", databases.tokens, tables


def _with_schema(call: TraceCall, parts: list[tuple[str, int]]) -> TraceCall:
    """Return ``call`` with other schema segments, names and tokens, where it has any."""
    segments: list[TraceSegment] = []
    for segment in call.segments:
        if segment.kind is not SegmentKind.SCHEMA:
            segments.append(segment)
        else:
            segments += [TraceSegment(SegmentKind.SCHEMA, name, tokens) for name, tokens in parts]
    return TraceCall(**{**dict(call), "segments": tuple(segments)})


def _beginning(call: TraceCall) -> TraceCall:
    shared = [s for s in call.segments if s.kind in (SegmentKind.TEMPLATE, SegmentKind.SCHEMA)]
    return TraceCall(**{**dict(call), "segments": tuple(shared)})
