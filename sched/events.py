"""What goes into the dispatcher (events) and what comes out of it (decisions).  Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sched.errors import Failure
from sched.latency import Speed
from sched.request import CallSpec, State, WorkflowSpec

# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RuntimeUp:
    """A runtime is ready.  ``max_total_tokens`` is the size of its KV cache, in tokens.

    ``speed`` is what a calibration told of it, so that the first calls are placed well.
    """

    name: str
    max_total_tokens: int
    max_running_requests: int
    speed: Speed | None = None


@dataclass(frozen=True, slots=True)
class RuntimeLost:
    """A runtime is gone; what it had is placed again or fails."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkflowArrived:
    """A workflow begins; its deadline starts to run."""

    spec: WorkflowSpec


@dataclass(frozen=True, slots=True)
class WorkflowEnded:
    """A workflow's program returned (``failure`` is ``None``) or raised."""

    workflow_id: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class WorkflowCancelled:
    """The client gave a workflow up."""

    workflow_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class JoinOpened:
    """A fan-out of ``size`` branches begins."""

    workflow_id: str
    join_id: str
    size: int


@dataclass(frozen=True, slots=True)
class BranchEnded:
    """A branch of a fan-out returned, raised or was cancelled."""

    workflow_id: str
    join_id: str
    branch: int


@dataclass(frozen=True, slots=True)
class CallArrived:
    """A call is ready to run."""

    spec: CallSpec


@dataclass(frozen=True, slots=True)
class CallCancelled:
    """Nobody needs the call any more."""

    call_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class FirstToken:
    """The runtime produced the first output token of ``attempt``; ``cached_tokens`` is its report."""

    call_id: int
    attempt: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class CallFinished:
    """The runtime finished ``attempt``.  Seconds run from the runtime's receipt of the call."""

    call_id: int
    attempt: int
    cached_tokens: int
    output_tokens: int
    ttft_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class CallFailed:
    """The runtime could not finish ``attempt``; ``retryable`` allows another runtime."""

    call_id: int
    attempt: int
    failure: Failure
    retryable: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: expire what is over its limit."""


Event = (
    RuntimeUp
    | RuntimeLost
    | WorkflowArrived
    | WorkflowEnded
    | WorkflowCancelled
    | JoinOpened
    | BranchEnded
    | CallArrived
    | CallCancelled
    | FirstToken
    | CallFinished
    | CallFailed
    | Tick
)

# --- decisions ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """Why a call was sent there and then.

    ``scores`` maps each candidate runtime to the policy's score (smaller is better, units in the
    policy's docstring).  ``predicted_seconds`` is the service time on the chosen runtime,
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


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Send the call to ``runtime`` with its place in the queue (``key``, ``sequence``)."""

    call_id: int
    attempt: int
    runtime: str
    key: float
    sequence: int
    remaining_seconds: float
    record: DecisionRecord


@dataclass(frozen=True, slots=True)
class Abort:
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


Decision = Dispatch | Abort | CallSettled | Joined | WorkflowSettled
