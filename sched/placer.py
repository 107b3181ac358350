"""Where a call goes and with which key: the dispatcher's use of the policies, the profile and the budget."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sched.budget import rest_seconds, stage_budget
from sched.decisions import DecisionRecord
from sched.events import PlacementChanged
from sched.policy import FollowingPolicy, OrderingPolicy, Placement, PlacementPolicy, RekeyReason
from sched.predict.forecast import Forecast, Rates
from sched.request import Call
from sched.runtime import RuntimeState


class Placer:
    """Budgets, places and keys a call; the only caller of the policies.

    ``follows`` is what changes keys after that.
    """

    def __init__(self, placement: PlacementPolicy, ordering: OrderingPolicy, forecast: Forecast) -> None:
        self._placement = placement
        self._ordering = ordering
        self._forecast = forecast
        self.follows: frozenset[RekeyReason] = (
            ordering.follows if isinstance(ordering, FollowingPolicy) else frozenset()
        )

    def placement_changed(self, event: PlacementChanged, _now: float) -> None:
        """Place by another policy from now on."""
        self._placement = event.policy

    def place(self, call: Call, candidates: Sequence[RuntimeState], now: float) -> RuntimeState:
        """Write the call's budget, runtime, predictions and key at ``now``; return the runtime.

        Raises:
            ValueError: a policy returned an unknown runtime or a key that is not finite.
        """
        self._forecast.ready(call, candidates)
        self._budget(call, candidates, now)
        placement = self._placement.place(call, candidates, now)
        runtime = next((r for r in candidates if r.name == placement.runtime), None)
        if runtime is None:
            raise ValueError(f"placement {self._placement.name!r} chose unknown {placement.runtime!r}")
        call.predicted_cached_tokens = runtime.cached_tokens(call)
        call.predicted_seconds = runtime.service_seconds(call)
        call.key = self._key(call)
        call.runtime = runtime.name
        call.placement = placement
        _expect(call, placement, now)
        return runtime

    def rekey(self, call: Call) -> bool:
        """Write a placed call's budget and key as if its workflow had been as it is now; return whether the
        key is another one.

        Raises:
            ValueError: the policy returned a key that is not finite.
        """
        self._share(call)
        if not self.follows:
            return False
        before, call.key = call.key, self._key(call)
        return call.key != before

    def record(self, call: Call, now: float) -> DecisionRecord:
        """Return why a placed call is sent at ``now``."""
        assert call.placement is not None
        return DecisionRecord(
            placement=self._placement.name,
            ordering=self._ordering.name,
            reason=call.placement.reason,
            scores=call.placement.scores,
            predicted_cached_tokens=call.likely_cached_tokens,
            predicted_output_tokens=call.likely_output_tokens,
            predicted_seconds=call.expected_seconds,
            slack_seconds=call.stage_deadline - now - call.expected_seconds,
            waited_seconds=now - call.ready_at,
            key=call.key,
            priority=call.spec.priority,
        )

    def _key(self, call: Call) -> float:
        key = self._ordering.key(call, call.placed_at)
        if not math.isfinite(key):
            raise ValueError(f"ordering {self._ordering.name!r} returned {key}, not a finite key")
        return key

    def _budget(self, call: Call, candidates: Sequence[RuntimeState], now: float) -> None:
        """Share the deadline out; stage times are those on the average runtime, as published."""
        spec, rates = call.workflow.spec, Rates(candidates, alone=False)

        def expected(stage: str) -> float:
            estimate = self._forecast.profile.estimate(spec.kind, spec.database, stage)
            return rates.seconds(estimate.prompt_tokens, estimate.output_tokens)

        call.rest_seconds = rest_seconds(call.workflow.plan, call.workflow.visits, expected)
        call.own_seconds = rates.seconds(call.prompt_tokens, call.expected_output_tokens)
        call.placed_at = now
        self._share(call)

    @staticmethod
    def _share(call: Call) -> None:
        deadline, placed_at = call.workflow.deadline, call.placed_at
        share = stage_budget(deadline - placed_at, call.own_seconds, call.rest_seconds)
        # placed_at + (deadline − placed_at) may round to just past the deadline.
        call.stage_deadline = min(deadline, placed_at + share)


def _expect(call: Call, placement: Placement, now: float) -> None:
    """Tell the call's siblings when it is expected to end."""
    join = call.workflow.joins.get(call.spec.join_id) if call.spec.join_id else None
    if join is not None:
        seconds = call.predicted_seconds if placement.seconds is None else placement.seconds
        join.expected_end = max(join.expected_end, now + seconds)
