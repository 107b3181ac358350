"""What a policy may see: read-only views of workflows, calls and runtimes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pace:
    """The 80th percentile of a kind's latest finished workflows: their seconds, and these over their SLO.

    Before any has finished: the expected time alone.
    """

    seconds: float
    slo_share: float


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
    @property
    def slo_seconds(self) -> float: ...  # noqa: D102
    @property
    def firm(self) -> bool:
        """Whether the client gave the deadline, so that a later answer is worth nothing to it."""
        ...


class WorkflowView(Protocol):
    """A workflow; times in seconds on the core's clock.

    ``base_seconds``: its expected time alone on the average runtime, corrections included, as of its
    arrival.  ``served_seconds``: the time that its finished calls ran, first token to last and prefill.
    ``slowdown``: how many times slower than alone calls were expected to run, at its arrival and with it.
    ``expected_seconds``: its time at that slowdown; ``None`` if too little is known of its kind.
    """

    @property
    def spec(self) -> WorkflowSpecView: ...  # noqa: D102
    @property
    def arrival(self) -> float: ...  # noqa: D102
    @property
    def deadline(self) -> float: ...  # noqa: D102
    @property
    def base_seconds(self) -> float: ...  # noqa: D102
    @property
    def served_seconds(self) -> float: ...  # noqa: D102
    @property
    def slowdown(self) -> float: ...  # noqa: D102
    @property
    def expected_seconds(self) -> float | None: ...  # noqa: D102


class CallView(Protocol):
    """A call that is ready.

    ``popular_tokens``: how much of its prompt other workflows began with lately.

    ``stage_deadline`` is when its share of the workflow's budget runs out, ``rest_seconds`` the
    expected critical path after its stage at present speeds, by the published plan.  ``lone_seconds`` and
    ``lone_rest_seconds``: its own time and the critical path after it, alone on the average runtime, from
    what followed this visit of the stage in earlier workflows.

    ``siblings_left``: the unfinished branches of its join; ``siblings_end``: when the last of its siblings
    placed so far is expected to end.  ``pace``: how long recent workflows of its kind took.
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
    def popular_tokens(self) -> int: ...  # noqa: D102
    @property
    def lone_seconds(self) -> float: ...  # noqa: D102
    @property
    def lone_rest_seconds(self) -> float: ...  # noqa: D102
    @property
    def siblings_left(self) -> int: ...  # noqa: D102
    @property
    def siblings_end(self) -> float: ...  # noqa: D102
    @property
    def pace(self) -> Pace: ...  # noqa: D102


class PlacedCallView(CallView, Protocol):
    """A call that is placed, with the latest predictions for its runtime.

    ``predicted_cached_tokens``: of its prompt, believed to be cached there.  ``predicted_seconds``: of its
    service there, waiting not included.
    """

    @property
    def predicted_cached_tokens(self) -> int: ...  # noqa: D102
    @property
    def predicted_seconds(self) -> float: ...  # noqa: D102


class LoadView(Protocol):
    """The calls placed on a runtime and not ended: ``running`` have their first token, ``waiting`` not.

    All tokens.  ``running_context`` and ``waiting_context``: what they read per decode step, halfway through
    their outputs.  ``backlog``: uncached prompt tokens of the waiting ones.  ``private``: uncached prompt and
    expected output of all, what they add to the KV cache.
    """

    @property
    def running(self) -> int: ...  # noqa: D102
    @property
    def waiting(self) -> int: ...  # noqa: D102
    @property
    def running_context(self) -> float: ...  # noqa: D102
    @property
    def waiting_context(self) -> float: ...  # noqa: D102
    @property
    def backlog(self) -> int: ...  # noqa: D102
    @property
    def private(self) -> float: ...  # noqa: D102


class LatencyView(Protocol):
    """How long a runtime takes; ``calls`` decode meanwhile and read ``context`` tokens of KV per step."""

    def step_seconds(self, calls: int, context: float) -> float:
        """Seconds of a decode step."""
        ...

    def prefill_seconds(self, tokens: float, calls: int, context: float) -> float:
        """Seconds until ``tokens`` are prefilled."""
        ...

    def stall_seconds(self, tokens: float, calls: int, context: float) -> float:
        """Seconds by which prefilling ``tokens`` delays each of the decoding calls."""
        ...

    def lone_seconds(self, prompt_tokens: float, output_tokens: float) -> float:
        """Seconds of a call alone, nothing cached."""
        ...


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
    def lone_outstanding_seconds(self) -> float:
        """Sum of what those calls would take alone here, nothing cached."""
        ...

    @property
    def new_tokens(self) -> int:
        """Uncached prompt tokens of all calls ever placed here: the size of a tree that forgets none."""
        ...

    @property
    def lone_decode_seconds(self) -> float:
        """Seconds per output token of a call alone here: how fast the runtime is, whatever its load."""
        ...

    @property
    def load(self) -> LoadView: ...  # noqa: D102
    @property
    def latency(self) -> LatencyView: ...  # noqa: D102
    @property
    def max_total_tokens(self) -> int: ...  # noqa: D102
    @property
    def max_running_requests(self) -> int: ...  # noqa: D102

    def stall_share(self, now: float) -> float:
        """Share of recent time, from 0 to 1, in which prefills kept its calls from decoding."""
        ...

    def expected_tokens(self, call: CallView) -> int:
        """Prompt tokens of ``call`` that are cached, or will be once what is placed here is computed."""
        ...

    def cached_tokens(self, call: CallView) -> int:
        """Prompt tokens of ``call`` that its prefix cache is believed to hold."""
        ...

    def service_seconds(self, call: CallView) -> float:
        """Predicted seconds of ``call`` here, waiting not included."""
        ...
