"""What a policy is.  What it may see: ``sched/views.py``.

Views are read-only and policies keep no state of their own, so that the same policy object serves the
live controller and the simulator, and any decision can be explained from its inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from sched.views import CallView, PlacedCallView, RuntimeView, WorkflowView


@dataclass(frozen=True, slots=True)
class Placement:
    """A choice among runtimes.  ``scores`` has the policy's score per runtime, smaller is better.

    ``seconds``: the policy's estimate from now to the call's end, if it has one.  ``share_tokens``: if at
    least this number of the prompt's tokens is just being computed there for another call, this one is sent
    when they are cached (0: it never waits for that).
    """

    runtime: str
    reason: str
    scores: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    share_tokens: int = 0


@runtime_checkable
class PlacementPolicy(Protocol):
    """Chooses the runtime of a call when it becomes ready."""

    name: str

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return one of ``runtimes`` (never empty, in a fixed order) for ``call`` at ``now`` seconds."""
        ...


@runtime_checkable
class OrderingPolicy(Protocol):
    """Gives a call its place among those that wait for the same runtime."""

    name: str

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the call's key at ``now`` seconds: the smallest key runs first, ties by sequence.

        The key must be finite, and stay right while the call waits, since it is computed once, when the
        call is placed; see :class:`FollowingPolicy` for one that can't.
        """
        ...


class RekeyReason(StrEnum):
    """What may happen to a call that waits: another deadline of its workflow, a sibling that ended."""

    DEADLINE = "deadline"
    SIBLINGS = "siblings"


@runtime_checkable
class FollowingPolicy(OrderingPolicy, Protocol):
    """An ordering whose keys depend on what may change while calls wait.

    After a change in ``follows`` the keys of the workflow's calls that have not started are computed
    again, at the cost of one ``key`` for each.  The policy is asked as if it had been so when the call was
    placed, at the time of then and with the predictions that the call has, so that nothing else moves the
    key.
    """

    follows: frozenset[RekeyReason]


@runtime_checkable
class SharingPolicy(OrderingPolicy, Protocol):
    """An ordering that also divides a runtime's turns among tenants; ``key`` orders the calls of each.

    The core keeps each tenant's *virtual* time: the cost of what it was served over its weight
    (``sched/shares.py``).  With one tenant only ``key`` counts.
    """

    def cost(self, runtime: RuntimeView, prompt: int, uncached: int, output: float) -> float:
        """Return what a call costs: ``prompt`` tokens, ``uncached`` of them computed, ``output`` tokens."""
        ...

    def turn(self, call: PlacedCallView, virtual: float, now: float) -> float:
        """Return the turn of a tenant whose next call is ``call``: the smallest goes next."""
        ...


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a workflow is served.

    A refused one may come again after ``retry_after`` seconds; without them the core predicts when a share
    ``excess`` of the open workflows will have ended.
    """

    admitted: bool
    reason: str = ""
    retry_after: float | None = None
    excess: float = 0.0


@runtime_checkable
class AdmissionPolicy(Protocol):
    """Refuses workflows, or has them do with less, where not all can be served.

    ``runtimes`` may be empty: none is up yet.  ``ends_late``: a workflow whose client gave a deadline ends
    once that has passed, before another of its calls is sent.
    """

    name: str

    @property
    def ends_late(self) -> bool: ...  # noqa: D102

    def admit(self, workflow: WorkflowView, runtimes: Sequence[RuntimeView], now: float) -> Admission:
        """Decide on a workflow when it arrives."""
        ...

    def candidates(
        self, workflow: WorkflowView, wanted: int, runtimes: Sequence[RuntimeView], now: float
    ) -> int:
        """Return how many of ``wanted`` (≥ 1) alternative answers the workflow should write, at least 1."""
        ...
