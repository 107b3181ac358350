"""Workflows, calls and their lifecycle.

Everything here is written by ``sched/dispatcher.py`` alone; policies see it through the read-only
views of ``sched/policy.py``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from sched.errors import Failure
from sched.policy import Placement
from sched.predict.history import PathStep
from sched.views import Pace
from sched.workflow import PlanStep


class State(StrEnum):
    """Lifecycle of a call and, without the two middle states, of a workflow."""

    ACCEPTED = "accepted"
    WAITING = "waiting"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


_NO_PACE = Pace(1.0, 1.0)

TERMINAL = frozenset({State.FINISHED, State.FAILED, State.CANCELLED, State.REJECTED})

# A call goes back to WAITING only when its runtime was lost.
_NEXT: dict[State, frozenset[State]] = {
    State.ACCEPTED: frozenset({State.WAITING, State.RUNNING, State.REJECTED, State.CANCELLED, State.FAILED}),
    State.WAITING: frozenset({State.DISPATCHED, State.CANCELLED, State.FAILED}),
    State.DISPATCHED: frozenset(
        {State.RUNNING, State.WAITING, State.FINISHED, State.FAILED, State.CANCELLED}
    ),
    State.RUNNING: frozenset({State.WAITING, State.FINISHED, State.FAILED, State.CANCELLED}),
}


class IllegalTransitionError(RuntimeError):
    """A lifecycle step that the state machine does not allow: a bug in the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSpec:
    """A workflow as it arrives.  ``slo_seconds`` is finite.  ``firm``: the client gave it; otherwise it is a
    default, by which calls are ordered and nothing is refused.  ``plan`` holds the expected visits per stage
    on the critical path; empty means that they are learned from earlier workflows of the same ``kind``.
    ``silence_seconds``: nobody says when it ends, so after so much silence it counts as finished with its
    last event; ``None``: its end is said, and silence beyond the core's limit means that it was abandoned."""

    workflow_id: str
    slo_seconds: float
    kind: str = "generate"
    tenant: str = "default"
    database: str | None = None
    plan: tuple[PlanStep, ...] = ()
    firm: bool = True
    silence_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """A call as it arrives.  ``call_id`` is never used again: late reports name the call by it.

    ``blocks`` is the hash chain of the prompt's full blocks (``sched/cache/prefix.py``).  ``join_id`` names
    the fan-out that the call belongs to, ``join_size`` its number of branches and ``branch`` its place
    in it; ``ends_branch`` says that the branch is just this call.  ``priority`` goes before every policy's
    key (``sched/order.py``).
    """

    call_id: int
    workflow_id: str
    stage: str
    prompt_tokens: int
    max_new_tokens: int
    blocks: tuple[int, ...] = ()
    join_id: str | None = None
    join_size: int = 1
    branch: int = 0
    ends_branch: bool = False
    priority: int = 0
    stream: bool = False
    timeout_seconds: float = 600.0


@dataclass(slots=True, eq=False)
class Join:
    """A fan-out whose branches gate the workflow together.

    ``expected_end``: when the last of its calls placed so far is expected to end.
    """

    size: int
    ended: set[int] = field(default_factory=set)
    expected_end: float = 0.0

    @property
    def left(self) -> int:
        """Branches that have not ended."""
        return self.size - len(self.ended)


@dataclass(slots=True, eq=False)
class Workflow:
    """A workflow in flight.  ``arrival``, ``deadline`` and ``last_event`` are seconds on the core's clock.

    ``path``: its critical path so far.  ``base_seconds``, ``served_seconds``, ``slowdown`` and
    ``expected_seconds`` as in ``WorkflowView``.
    """

    spec: WorkflowSpec
    arrival: float
    deadline: float
    plan: tuple[PlanStep, ...]
    last_event: float
    state: State = State.ACCEPTED
    ended_at: float | None = None
    failure: Failure | None = None
    open_calls: set[int] = field(default_factory=set)
    joins: dict[str, Join] = field(default_factory=dict)
    visits: Counter[str] = field(default_factory=Counter)
    rounds: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    join_rounds: Counter[tuple[str, str]] = field(default_factory=Counter)
    path: list[PathStep] = field(default_factory=list)
    base_seconds: float = 0.0
    served_seconds: float = 0.0
    slowdown: float = 1.0
    expected_seconds: float | None = None


@dataclass(slots=True, eq=False)
class Call:
    """A call in flight.  Times are seconds on the core's clock, ``key`` as in ``sched/order.py``.

    ``avoid`` names the runtimes that failed it.  ``expected_output_tokens`` is the mean of calls like it,
    ``likely_output_tokens`` their median.  What one call will show, as predicted when it is sent
    (``sched/predict/outlook.py``): ``likely_cached_tokens``, and ``expected_seconds`` from its sending to its
    end. ``predicted_*`` were predicted for the runtime it is placed on (``lone``: alone there, nothing
    cached), ``own_seconds`` for the average one, all at ``placed_at``.  ``popular_tokens``, ``lone_seconds``,
    ``lone_rest_seconds`` and ``pace`` as in ``CallView``.
    """

    spec: CallSpec
    workflow: Workflow
    sequence: int
    ready_at: float
    expected_output_tokens: float
    state: State = State.ACCEPTED
    ended_at: float | None = None
    failure: Failure | None = None
    stage_deadline: float = 0.0
    rest_seconds: float = 0.0
    own_seconds: float = 0.0
    popular_tokens: int = 0
    lone_seconds: float = 0.0
    lone_rest_seconds: float = 0.0
    pace: Pace = _NO_PACE
    placed_at: float = 0.0
    attempt: int = 0
    runtime: str | None = None
    avoid: frozenset[str] = frozenset()
    placement: Placement | None = None
    key: float = 0.0
    predicted_cached_tokens: int = 0
    predicted_seconds: float = 0.0
    predicted_lone_seconds: float = 0.0
    likely_output_tokens: float = 0.0
    likely_cached_tokens: int = 0
    expected_seconds: float = 0.0
    alone: bool = False

    @property
    def stage(self) -> str:
        """The stage's name."""
        return self.spec.stage

    @property
    def prompt_tokens(self) -> int:
        """Length of the prompt in tokens."""
        return self.spec.prompt_tokens

    @property
    def blocks(self) -> tuple[int, ...]:
        """Hash chain of the prompt's full blocks."""
        return self.spec.blocks

    @property
    def siblings_left(self) -> int:
        """Unfinished branches of the call's join, its own included (1 without a join)."""
        join = self.workflow.joins.get(self.spec.join_id) if self.spec.join_id else None
        return max(1, join.left) if join else 1

    @property
    def siblings_end(self) -> float:
        """When the last of the call's siblings placed so far is expected to end; 0 without one at work."""
        join = self.workflow.joins.get(self.spec.join_id) if self.spec.join_id else None
        return join.expected_end if join and join.left > 1 else 0.0

    @property
    def uncached_tokens(self) -> int:
        """Prompt tokens expected to be computed on the placed runtime."""
        return self.spec.prompt_tokens - self.predicted_cached_tokens


def advance(item: Call | Workflow, state: State, now: float, failure: Failure | None = None) -> None:
    """Move ``item`` to ``state`` at ``now`` (seconds): the only place where a state is written.

    Raises:
        IllegalTransitionError: the step is not allowed, in particular out of a terminal state.
    """
    if state not in _NEXT.get(item.state, frozenset()):
        raise IllegalTransitionError(f"{type(item).__name__} can't go from {item.state} to {state}")
    item.state = state
    if state in TERMINAL:
        item.ended_at = now
        item.failure = failure
