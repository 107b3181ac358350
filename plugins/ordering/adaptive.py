"""Sluice's order: the oldest workflow first, with an advance for how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sched.views import PlacedCallView


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """Smallest  arrival + share · (base − remaining),  seconds.

    Why: the oldest workflow first keeps the tail short; among workflows of one age the one that is furthest
    behind goes first, since it can least afford to wait.

    Inputs: the workflow's arrival; *base*, its expected time alone as of its arrival; *remaining*, its
    expected critical path from this call on.  ``base − remaining`` is the work done; a ``share`` of it counts
    as if the workflow had arrived later.  ``share`` 0 is ``oldest_workflow``.

    Trade-offs: short workflows wait for long ones that are older, and deadlines don't count.  Static, so no
    key changes while a call waits.  Starvation is bounded: a call is overtaken only by workflows that arrived
    less than ``share`` · their base after it.
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
