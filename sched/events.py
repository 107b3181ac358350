"""What goes into the dispatcher: plain frozen data.  What comes out: ``sched/decisions.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sched.errors import Failure
from sched.policy import PlacementPolicy
from sched.predict.speed import Chunks, Pass, Speed
from sched.request import CallSpec, WorkflowSpec


@dataclass(frozen=True, slots=True)
class RuntimeUp:
    """A runtime is ready.  ``max_total_tokens`` is the size of its KV cache, in tokens.

    ``speed`` is what a calibration told of it, so that the first calls are placed well.  ``chunks``: how it
    prefills (``None``: as SGLang does by default).  ``overlap``: it plans a batch before it has the results
    of the one in computation.
    """

    name: str
    max_total_tokens: int
    max_running_requests: int
    speed: Speed | None = None
    chunks: Chunks | None = None
    overlap: bool = False


@dataclass(frozen=True, slots=True)
class RuntimeLost:
    """A runtime is gone; what it had is placed again or fails.  ``others`` are gone with it."""

    name: str
    reason: str
    others: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PassesReported:
    """Forward passes that the runtime made lately, the oldest first."""

    name: str
    passes: Sequence[Pass]


@dataclass(frozen=True, slots=True)
class CacheFlushed:
    """The runtime's prefix cache was emptied on request."""

    name: str


class CacheScope(StrEnum):
    """What a report of a prefix cache covers: what changed, everything, or that it can't be told any more."""

    CHANGES = "changes"
    ALL = "all"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CacheReported:
    """Blocks (``sched/cache/prefix.py``) that the runtime's prefix cache now holds, and no longer holds."""

    name: str
    scope: CacheScope
    added: Sequence[int] = ()
    removed: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class WorkflowArrived:
    """A workflow begins; its deadline starts to run."""

    spec: WorkflowSpec


@dataclass(frozen=True, slots=True)
class WorkflowEnded:
    """A workflow's program returned (``failure`` is ``None``) or raised.

    ``silent``: nothing will come of it any more, so it ended with its last event; one with open calls isn't.
    """

    workflow_id: str
    failure: Failure | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class WorkflowCancelled:
    """The client gave a workflow up."""

    workflow_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeadlineChanged:
    """An open workflow has ``slo_seconds``, counted from its arrival, instead of those it came with."""

    workflow_id: str
    slo_seconds: float


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
class StatementEnded:
    """SQL of a workflow, asked for by ``stage``, took ``seconds``."""

    workflow_id: str
    stage: str
    seconds: float


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
class FirstTokenReported:
    """The runtime produced the first output token of ``attempt``; ``cached_tokens`` is its report."""

    call_id: int
    attempt: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class CallFinished:
    """The runtime finished ``attempt``.  Seconds run from the runtime's receipt of the call.

    ``output_blocks`` are those behind the prompt's (``sched/cache/prefix.py``) that the output fills.
    """

    call_id: int
    attempt: int
    cached_tokens: int
    output_tokens: int
    ttft_seconds: float
    total_seconds: float
    output_blocks: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class CallFailed:
    """The runtime could not finish ``attempt``; ``retryable`` allows another runtime."""

    call_id: int
    attempt: int
    failure: Failure
    retryable: bool


@dataclass(frozen=True, slots=True)
class PlacementChanged:
    """Calls are placed by another ``policy`` from now on; those placed before stay where they are."""

    policy: PlacementPolicy


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: expire what is over its limit."""


Event = (
    RuntimeUp
    | RuntimeLost
    | PassesReported
    | CacheFlushed
    | CacheReported
    | WorkflowArrived
    | WorkflowEnded
    | WorkflowCancelled
    | DeadlineChanged
    | JoinOpened
    | BranchEnded
    | StatementEnded
    | CallArrived
    | CallCancelled
    | FirstTokenReported
    | CallFinished
    | CallFailed
    | PlacementChanged
    | Tick
)
