"""A cell whose workflows are those of several tenants: greedy ones, or a light one beside a flood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from launch.lab.cells import Cell
from launch.shipped import ordering_registry, placement_registry
from sched.sim.figures import CallRecord, WorkflowTimes, percentile
from sched.sim.hardware import FLOP_PER_TOKEN, parse_cluster
from sched.sim.simulator import SimOptions, Simulator
from sched.tenants import Tenant
from sched.traces.trace_format import TraceWorkflow

WEIGHTS = {"one": 1.0, "two": 2.0, "four": 4.0}
_GREEDY_LOAD = 1.0
"""Of each tenant, over the work bound: more than any share."""
_CAPACITY = 0.5
"""What a cluster serves of its work bound, about (the light tenant's share is half of it)."""
_WAITING = 0.8
"""Of a tenant's workflows: so many have ended while it surely has others that wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantCell(Cell):
    """``scenario``: ``greedy``, three tenants that each ask for all of the cluster; ``alone``, one at a fifth
    of its half of the cluster; ``flood``, the same beside one that asks for ten times its half.
    """

    scenario: str

    def run(self) -> dict[str, Any]:
        """Return the cell's figures: plain data, equal for equal cells."""
        return self._greedy() if self.scenario == "greedy" else self._light()

    def _greedy(self) -> dict[str, Any]:
        names = tuple(WEIGHTS)
        drawn = self._draw(_GREEDY_LOAD * len(names) * self._rate_bound())
        tagged = [w.model_copy(update={"tenant": names[i % len(names)]}) for i, w in enumerate(drawn)]
        tenants = {w.id: w.tenant for w in tagged}
        recording = self._tenants(tuple(Tenant(*item) for item in WEIGHTS.items())).run(tagged)
        ends: dict[str, list[float]] = {name: [] for name in names}
        for workflow in recording.workflows:
            ends[tenants[workflow.id]].append(workflow.arrival + workflow.seconds)
        # All have work waiting: after the last arrival, until the first tenant comes to its last workflows.
        begin, end = drawn[-1].arrival, min(percentile(own, _WAITING) for own in ends.values())
        seconds, tokens = dict.fromkeys(names, 0.0), 0
        for workflow in recording.workflows:
            for call in workflow.calls:
                if begin <= call.ended_at <= end:
                    seconds[tenants[workflow.id]] += self._gpu_seconds(call)
                    tokens += call.output_tokens
        shares = [seconds[name] / weight for name, weight in WEIGHTS.items()]
        square = sum(share**2 for share in shares)
        return {
            "jain": sum(shares) ** 2 / (len(shares) * square) if square else 0.0,
            "span": end - begin,
            "tokens_per_second": tokens / (end - begin),
            "makespan": max(w.arrival + w.seconds for w in recording.workflows),
            **{f"seconds_{name}": value for name, value in seconds.items()},
        }

    def _light(self) -> dict[str, Any]:
        rate = 0.2 * 0.5 * _CAPACITY * self._rate_bound()
        light = [w.model_copy(update={"id": f"light {w.id}", "tenant": "light"}) for w in self._draw(rate)]
        span = light[-1].arrival
        others: list[TraceWorkflow] = []
        if self.scenario == "flood":
            # Ten times the other half; what comes after the last light workflow can't be told apart from it.
            others = [w.model_copy(update={"tenant": "flood"}) for w in self._flood(50 * rate, span)]
        left = len(light)

        def over(workflow: WorkflowTimes) -> bool:
            nonlocal left
            left -= workflow.id.startswith("light ")
            return left == 0

        recording = self._tenants((Tenant("light"), Tenant("flood"))).run([*light, *others], stop=over)
        seconds = [w.seconds for w in recording.workflows if w.id.startswith("light ")]
        return {"p50": percentile(seconds, 0.5), "p95": percentile(seconds, 0.95)}

    def _flood(self, rate: float, span: float) -> list[TraceWorkflow]:
        laps = Cell(trace=self.trace, workflows=int(rate * span), seed=self.seed + 1000)
        return laps._draw(rate)

    def _tenants(self, tenants: tuple[Tenant, ...]) -> Simulator:
        return Simulator(
            parse_cluster(self.cluster),
            self._config(),
            placement_registry().load(self.placement),
            ordering_registry().load(self.ordering),
            SimOptions(slo_scale=self.slo_scale, window_tokens=self.window_tokens),
            tenants=tenants,
        )

    def _gpu_seconds(self, call: CallRecord) -> float:
        """Return what a call took of a GPU: its uncached prompt's FLOPs, its reads of KV, and its part of the
        passes over the weights in a full batch."""
        gpu = parse_cluster(self.cluster)[0]
        prompt = (call.prompt_tokens - call.cached_tokens) * FLOP_PER_TOKEN / gpu.flops
        context = call.prompt_tokens + call.output_tokens / 2
        step = gpu.weights_seconds / self.max_running_requests + gpu.kv_seconds * context
        return prompt + call.output_tokens * step
