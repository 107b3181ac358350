"""What a policy is and what it may see.

Views are read-only and policies keep no state of their own, so that the same policy object serves the
live controller and the simulator, and any decision can be explained from its inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable


class WorkflowSpecView(Protocol):
    """The identity of a workflow."""

    @property
    def workflow_id(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def tenant(self) -> str: ...  # noqa: D102
    @property
    def database(self) -> str | None: ...  # noqa: D102


class WorkflowView(Protocol):
    """A workflow; times in seconds on the core's clock."""

    @property
    def spec(self) -> WorkflowSpecView: ...  # noqa: D102
    @property
    def arrival(self) -> float: ...  # noqa: D102
    @property
    def deadline(self) -> float: ...  # noqa: D102


class CallView(Protocol):
    """A call that is ready.

    ``stage_deadline`` is when its share of the workflow's budget runs out, ``rest_seconds`` the
    expected critical path after its stage, ``siblings_left`` the unfinished branches of its join.
    """

    @property
    def workflow(self) -> WorkflowView: ...  # noqa: D102
    @property
    def stage(self) -> str: ...  # noqa: D102
    @property
    def sequence(self) -> int: ...  # noqa: D102
    @property
    def ready_at(self) -> float: ...  # noqa: D102
    @property
    def prompt_tokens(self) -> int: ...  # noqa: D102
    @property
    def blocks(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def expected_output_tokens(self) -> float: ...  # noqa: D102
    @property
    def stage_deadline(self) -> float: ...  # noqa: D102
    @property
    def rest_seconds(self) -> float: ...  # noqa: D102
    @property
    def siblings_left(self) -> int: ...  # noqa: D102


class RuntimeView(Protocol):
    """A ready runtime as the core believes it to be."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def outstanding_calls(self) -> int:
        """Calls placed here and not ended, held ones included."""
        ...

    @property
    def outstanding_seconds(self) -> float:
        """Sum of those calls' predicted service seconds on this runtime."""
        ...

    @property
    def lone_decode_seconds(self) -> float:
        """Seconds per output token of a call alone here: how fast the runtime is, whatever its load."""
        ...

    def cached_tokens(self, call: CallView) -> int:
        """Prompt tokens of ``call`` that its prefix cache is believed to hold."""
        ...

    def service_seconds(self, call: CallView) -> float:
        """Predicted seconds of ``call`` here, waiting not included."""
        ...


@dataclass(frozen=True, slots=True)
class Placement:
    """A choice among runtimes.  ``scores`` has the policy's score per runtime, smaller is better."""

    runtime: str
    reason: str
    scores: Mapping[str, float] = field(default_factory=dict)


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

    def key(self, call: CallView, runtime: RuntimeView, now: float) -> float:
        """Return the call's key at ``now`` seconds: the smallest key runs first, ties by sequence.

        The key must be finite, and stay right while the call waits, since it is computed once, when the
        call is placed; see :class:`FollowingPolicy` for one that can't.
        """
        ...


class Change(StrEnum):
    """What may happen to a call that waits: another deadline of its workflow, a sibling that ended."""

    DEADLINE = "deadline"
    SIBLINGS = "siblings"


@runtime_checkable
class FollowingPolicy(OrderingPolicy, Protocol):
    """An ordering whose keys depend on what may change while calls wait.

    After a change in ``follows`` the keys of the workflow's calls that have not started are computed
    again, at the cost of one ``key`` for each.  The policy is asked as if it had been so when the call was
    placed, at the time of then and with the predictions of then, so that nothing else moves the key.
    """

    follows: frozenset[Change]
