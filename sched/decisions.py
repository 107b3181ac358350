"""What comes out of the dispatcher.  Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sched.errors import Failure
from sched.request import State


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """Why a call was sent there and then.

    ``scores`` maps each candidate runtime to the policy's score (smaller is better, units in the
    policy's docstring).  ``predicted_seconds`` is the time from there to its end on the chosen runtime,
    ``slack_seconds`` the stage's budget left after it, ``waited_seconds`` the time since the call
    became ready.
    """

    placement: str
    ordering: str
    reason: str
    scores: Mapping[str, float]
    predicted_cached_tokens: int
    predicted_output_tokens: float
    predicted_seconds: float
    slack_seconds: float
    waited_seconds: float
    key: float
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Send the call to ``runtime`` with its place in the queue (``sched/order.py``)."""

    call_id: int
    attempt: int
    runtime: str
    key: float
    sequence: int
    remaining_seconds: float
    record: DecisionRecord
    priority: int = 0


@dataclass(frozen=True, slots=True)
class RekeyCall:
    """Give ``attempt`` of the call, sent to ``runtime`` and not yet started, another key in its queue."""

    call_id: int
    attempt: int
    runtime: str
    key: float


@dataclass(frozen=True, slots=True)
class AbortCall:
    """Stop ``attempt`` of the call on ``runtime``."""

    call_id: int
    attempt: int
    runtime: str


@dataclass(frozen=True, slots=True)
class CallSettled:
    """The call reached its terminal state; emitted exactly once per call."""

    call_id: int
    workflow_id: str
    state: State
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """All branches of a fan-out have ended; emitted exactly once per join."""

    workflow_id: str
    join_id: str


@dataclass(frozen=True, slots=True)
class WorkflowSettled:
    """The workflow reached its terminal state; emitted exactly once per workflow."""

    workflow_id: str
    state: State
    deadline_met: bool
    seconds: float
    failure: Failure | None = None


Decision = Dispatch | RekeyCall | AbortCall | CallSettled | Joined | WorkflowSettled
