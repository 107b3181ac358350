"""What is expected of a workflow and its calls, alone on the average runtime."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sched.budget import rest_seconds
from sched.cache.popularity import Popularity
from sched.events import CallFinished, StatementEnded
from sched.predict.history import MOST_PATH_STEPS, Paces, Paths, PathStep
from sched.predict.sojourn import Sojourns
from sched.predict.stage_profile import StageProfile
from sched.request import Call, Workflow
from sched.runtime import RuntimeState
from sched.views import Pace


class Rates:
    """Mean seconds per prompt and per output token over some runtimes, at present or alone."""

    def __init__(self, runtimes: Collection[RuntimeState], *, alone: bool) -> None:
        models = [r.latency for r in runtimes]
        count = max(1, len(models))
        self._prefill = sum([m.prefill_seconds_per_token for m in models]) / count
        if alone:
            self._decode = sum([m.lone_decode_seconds_per_token for m in models]) / count
        else:
            self._decode = sum([m.decode_seconds_per_token for m in models]) / count

    def seconds(self, prompt_tokens: float, output_tokens: float) -> float:
        """Return the seconds of a call on the average runtime, nothing cached."""
        return prompt_tokens * self._prefill + output_tokens * self._decode


class Forecast:
    """Learns from finished workflows and writes what it expects on open ones.

    All seconds are those alone on the average runtime, except paces and sojourns, which are real.
    """

    def __init__(self, profile: StageProfile) -> None:
        self.profile = profile
        self._paths = Paths()
        self._paces = Paces()
        self._popularity = Popularity()
        self._sojourns = Sojourns()

    def opened(self, workflow: Workflow, others: int, runtimes: Collection[RuntimeState], now: float) -> None:
        """Write what is expected of a workflow that arrives while ``others`` are open."""
        spec = workflow.spec
        known = self._paths.whole(spec.kind, spec.database)
        if known is None:
            known = self._planned(workflow, Rates(runtimes, alone=True))
        workflow.base_seconds = known
        self._sojourns.opened(workflow, others, runtimes, now)

    def ready(self, call: Call, runtimes: Collection[RuntimeState]) -> None:
        """Write what is expected of a call to be placed, and count it on its workflow's path."""
        workflow, spec = call.workflow, call.workflow.spec
        call.likely_output_tokens = self.profile.likely_output(
            *(spec.kind, spec.database, call.stage),
            *(call.prompt_tokens, call.spec.max_new_tokens),
            branch=_branch(call),
            last_block=_last_block(call),
        )
        call.popular_tokens = self._popularity.observe(spec.workflow_id, call.blocks)
        rates = Rates(runtimes, alone=True)
        call.lone_seconds = rates.seconds(call.prompt_tokens, call.expected_output_tokens)
        visit = workflow.visits[call.stage]
        beside = call.spec.join_id if call.spec.ends_branch else None
        _extend(workflow.path, PathStep(call.stage, visit, call.lone_seconds, beside))
        rest = self._paths.rest(spec.kind, spec.database, call.stage, visit)
        call.lone_rest_seconds = self._planned(workflow, rates) if rest is None else rest
        if not workflow.base_seconds:
            workflow.base_seconds = call.lone_seconds + call.lone_rest_seconds
        base = workflow.base_seconds
        slo = spec.slo_seconds
        call.pace = self._paces.pace(spec.kind) or Pace(base, base / slo if slo > 0 else 1.0)

    def call_finished(self, call: Call, event: CallFinished) -> None:
        """Learn from a call that ended well."""
        spec, tokens = call.workflow.spec, (call.prompt_tokens, event.output_tokens)
        self.profile.observe_call(
            *(spec.kind, spec.database, call.stage, *tokens),
            branch=_branch(call),
            last_block=_last_block(call),
        )
        call.workflow.served_seconds += event.total_seconds

    def statement_ended(self, workflows: Mapping[str, Workflow], event: StatementEnded) -> None:
        """Learn from SQL, and count it on its workflow's path."""
        workflow = workflows.get(event.workflow_id)
        if workflow is not None:
            spec, stage = workflow.spec, event.stage
            self.profile.observe_sql(spec.kind, spec.database, stage, event.seconds)
            _extend(workflow.path, PathStep(f"{stage} sql", workflow.visits[stage], event.seconds))

    def finished(self, workflow: Workflow, now: float) -> None:
        """Learn from a workflow that ended well."""
        spec = workflow.spec
        self._paths.observe(spec.kind, spec.database, workflow.path)
        self._paces.observe(spec.kind, now - workflow.arrival, spec.slo_seconds)
        self._sojourns.ended(workflow, now)

    def ended_late(self, workflow: Workflow, now: float) -> None:
        """Learn from a workflow that was ended, since it was late."""
        self._sojourns.ended(workflow, now)

    def _planned(self, workflow: Workflow, rates: Rates) -> float:
        """Return the seconds of the visits that the workflow's plan still owes."""
        spec = workflow.spec

        def expected(stage: str) -> float:
            estimate = self.profile.estimate(spec.kind, spec.database, stage)
            return rates.seconds(estimate.prompt_tokens, estimate.output_tokens)

        return rest_seconds(workflow.plan, workflow.visits, expected)


def _branch(call: Call) -> int | None:
    """Return a call's place in its fan-out."""
    return call.spec.branch if call.spec.join_id is not None else None


def _last_block(call: Call) -> int | None:
    """Return the hash of a prompt up to its last full block; ``None`` for one shorter than a block."""
    return call.blocks[-1] if call.blocks else None


def _extend(path: list[PathStep], step: PathStep) -> None:
    """Append a step; siblings of one round are one step, as long as the longest.

    What comes after ``MOST_PATH_STEPS`` is added to the last one, whose rest it is.
    """
    if path and path[-1][:2] == step[:2]:
        path[-1] = max(path[-1], step, key=lambda s: s.seconds)
    elif len(path) >= MOST_PATH_STEPS:
        path[-1] = path[-1]._replace(seconds=path[-1].seconds + step.seconds)
    else:
        path.append(step)
