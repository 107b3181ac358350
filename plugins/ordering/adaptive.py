"""Sluice's order: the oldest workflow first, with an advance for how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sched.policy import PlacedCallView


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """Smallest  arrival + share · (base − remaining),  seconds.

    *base*: the workflow's expected time alone as of its arrival; *remaining*: its expected critical path
    from this call on.  A workflow that should have been done by now has worked off ``base − remaining``; a
    share of that is taken as if it had arrived later, so among workflows of one age the one with most to do
    goes first, and a long one that is late overtakes.  ``share`` 0 is ``oldest_workflow``.

    Static, so no key changes while a call waits.  Starvation is bounded: a call is overtaken only by
    workflows that arrived less than ``share`` · their base after it.
    """

    share: float = 0.5

    name: ClassVar[str] = "adaptive"

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be between 0 and 1, not {self.share:g}")

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the arrival, moved by the work done."""
        workflow = call.workflow
        remaining = call.lone_seconds + call.lone_rest_seconds
        return workflow.arrival + self.share * (workflow.base_seconds - remaining)
