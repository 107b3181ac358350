"""HexGen-Flow's dispatching: speed against queued work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sched.policy import Placement
from sched.views import CallView, RuntimeView


@dataclass(frozen=True, kw_only=True)
class HexgenFlow:
    """Largest α · (t_ref / t_i) − (1 − α) · (queued work of i / queued work of the reference).

    Why: the published system (HexGen-Flow, arXiv 2505.05286) that Sluice is measured against.

    Inputs: t_i, the call's time alone on runtime i by its latency model; the queued work, the sum of such
    times of all calls placed there and not ended.  The reference is the mean over the runtimes; another one
    only moves the best α.  Scores are that value, negated; no unit.

    Trade-offs: α near 1 asks for the fastest runtime, near 0 for the one with the least work.  The best α
    falls as load grows, so it has to be tuned (``hexgen_flow?alpha=0.4``).  Blind to caches, to batching
    (work is summed as if it ran one after another) and to deadlines.  No call is held back, so none starves.
    """

    alpha: float = 0.5

    name: ClassVar[str] = "hexgen_flow"
    knobs: ClassVar[Mapping[str, tuple[float, float]]] = {"alpha": (0.0, 1.0)}

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must be between 0 and 1, not {self.alpha:g}")

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the runtime with the largest published score."""
        prompt, output = call.prompt_tokens, call.expected_output_tokens
        alone = [r.latency.lone_seconds(prompt, output) for r in runtimes]
        queued = [r.lone_outstanding_seconds for r in runtimes]
        reference = sum(alone) / len(alone)
        # Without any queue the second term is 0 for all.
        queued_reference = sum(queued) / len(queued) or 1.0
        scores = {
            r.name: (1 - self.alpha) * work / queued_reference - self.alpha * reference / seconds
            for r, seconds, work in zip(runtimes, alone, queued, strict=True)
        }
        place = min(range(len(runtimes)), key=lambda i: scores[runtimes[i].name])
        reason = f"{alone[place]:.2f} s alone, {queued[place]:.2f} s queued, α {self.alpha:g}"
        return Placement(runtimes[place].name, reason, scores)
