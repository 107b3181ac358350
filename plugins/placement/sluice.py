"""Sluice's placement: what the call gains there against what it costs the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sched.policy import Placement
from sched.predict.speed import stretched
from sched.views import CallView, RuntimeView

_MOST_LATE = 3.0
"""Beyond this multiple of its target, a workflow grows no more urgent."""
_STEPS_WAITED = 600
"""Decode steps until room comes free on a full runtime: about one long answer."""
_SIBLING_SPREAD = 0.25
"""Standard deviation of a call's end, as a share of the time to it."""


@dataclass(frozen=True, kw_only=True)
class Sluice:
    """Smallest  target / p · ((elapsed + own + rest) / target)^p  +  harm · Σ others' delay,  in seconds.

    Why: a person waits for the whole chain, so the fast runtimes are for the workflows that are late, and a
    call pays for the delay it brings to the others.  Nothing has to be tuned as the load changes.

    *target*: the 80th percentile of the latest durations of workflows of this kind, with a share ``slo`` of
    their SLO in it.  The power ``p`` makes seconds of a late workflow dear and those of an early one cheap.
    *rest*: the critical path expected after the call.

    *own*, the call's time on the runtime: prefilling what waits there and its own uncached tokens, waiting
    for room, then its output at the step time of the batch that it joins, stretched by the share of time
    that prefills steal (weight ``stall``).  A prefix that is popular but missing there costs only the share
    ``popular`` of its prefill, since others will use it: so templates and hot schemas spread.  A sibling
    that ends later anyway takes most of the weight off (``siblings``): own counts by how much the join is
    delayed.

    *others' delay*: the calls there × the stall that its prefill brings, plus half of what their decoding
    slows down by while it runs.

    A prefix of at least ``share_tokens`` that another call is just computing there is waited for (0: never),
    instead of being computed twice.

    Inputs: each runtime's latency model, load and cached prefix; the call's expected output, siblings and
    rest; the durations of the latest workflows.  All are learned online.

    Trade-offs: it rests on these predictions, and costs O(runtimes · log blocks) a call.  None starves: a
    workflow's weight grows while it waits, up to a limit, and placement never holds a call back for long.
    Ablation: a parameter at 0 switches its part off (``power`` and ``popular`` at 1).
    """

    harm: float = 1.0
    power: float = 4.0
    slo: float = 0.3
    stall: float = 0.7
    popular: float = 0.25
    siblings: float = 0.9
    share_tokens: int = 64

    name: ClassVar[str] = "sluice"
    knobs: ClassVar[Mapping[str, tuple[float, float]]] = {
        "harm": (0.0, 3.0),
        "power": (1.0, 8.0),
        "slo": (0.0, 1.0),
        "stall": (0.0, 1.0),
        "popular": (0.0, 1.0),
        "siblings": (0.0, 1.0),
    }

    def __post_init__(self) -> None:
        if self.power < 1:
            raise ValueError(f"power must be at least 1, not {self.power:g}")

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the runtime with the smallest cost."""
        target = self._target(call)
        past = now - call.workflow.arrival + call.lone_rest_seconds
        sibling = call.siblings_end - now
        scores: dict[str, float] = {}
        best, best_score, best_own, best_delay = runtimes[0], math.inf, 0.0, 0.0
        for runtime in runtimes:
            own, delay = self._seconds(call, runtime, now)
            end = past + (own if sibling <= 0 else self._beside(own, sibling))
            scores[runtime.name] = score = self._lateness(end, target) + self.harm * delay
            if score < best_score:
                best, best_score, best_own, best_delay = runtime, score, own, delay
        reason = (
            f"{best_own:.2f} s own, {best_delay:.2f} s for others, "
            f"{best.expected_tokens(call)} tokens cached or coming"
        )
        return Placement(best.name, reason, scores, best_own, self.share_tokens)

    def _lateness(self, end: float, target: float) -> float:
        """Return what it costs that a workflow ends ``end`` seconds after its arrival."""
        scale = target / self.power
        if end <= _MOST_LATE * target:
            return scale * math.pow(end / target, self.power)
        # Beyond the limit the cost goes on linearly, so that late calls still tell runtimes apart.
        beyond = (end - _MOST_LATE * target) * math.pow(_MOST_LATE, self.power - 1)
        return scale * math.pow(_MOST_LATE, self.power) + beyond

    def _target(self, call: CallView) -> float:
        pace = call.pace
        due = call.workflow.spec.slo_seconds * pace.slo_share
        return math.exp(
            (1 - self.slo) * math.log(max(1e-3, pace.seconds)) + self.slo * math.log(max(1e-3, due))
        )

    def _seconds(self, call: CallView, runtime: RuntimeView, now: float) -> tuple[float, float]:
        """Return the call's own seconds on ``runtime``, and those by which it delays the others there."""
        load, latency = runtime.load, runtime.latency
        prompt, output = call.prompt_tokens, call.expected_output_tokens
        cached = runtime.expected_tokens(call)
        missing = float(prompt - cached)
        if call.popular_tokens > cached:
            missing -= (1 - self.popular) * (call.popular_tokens - cached)
        running, reading = load.running, load.running_context
        calls, context = running + load.waiting, reading + load.waiting_context
        before = latency.step_seconds(calls, context)
        after = latency.step_seconds(calls + 1, context + prompt + output / 2)
        decoding = stretched(output, self.stall * runtime.stall_share(now))
        own = latency.prefill_seconds(load.backlog + missing, running, reading)
        own += decoding * after
        room = load.private + missing + output <= runtime.max_total_tokens
        if not room or calls >= runtime.max_running_requests:
            own += _room_seconds(runtime, missing + output, before)
        stall = latency.stall_seconds(missing, running, reading)
        return own, calls * (stall + decoding * (after - before) / 2)

    def _beside(self, own: float, sibling: float) -> float:
        """Return the seconds of ``own`` that count beside a sibling that ends in ``sibling`` seconds.

        The join waits for the later one; both ends are uncertain, which softens the maximum.
        """
        spread = _SIBLING_SPREAD * max(own, sibling)
        later = (own - sibling) / spread
        delayed = spread * (max(0.0, later) + math.log1p(math.exp(-abs(later))))
        return (1 - self.siblings) * own + self.siblings * delayed


def _room_seconds(runtime: RuntimeView, tokens: float, step_seconds: float) -> float:
    """Return the seconds until a KV cache and a batch that are full have room for a call."""
    load = runtime.load
    over = load.private + tokens - runtime.max_total_tokens
    waves = max(0.0, over / max(load.private, 1.0))
    calls = load.running + load.waiting
    if calls >= runtime.max_running_requests:
        waves += (calls + 1 - runtime.max_running_requests) / calls
    return waves * _STEPS_WAITED * step_seconds
