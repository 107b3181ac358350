"""A call of a trace on its way through a simulated run."""

from __future__ import annotations

from dataclasses import dataclass

from sched.decisions import Dispatch, RekeyCall
from sched.order import queue_position
from sched.sim.figures import CallRecord
from sched.sim.prompt_chains import PromptChain
from sched.sim.running_batch import SimRequest
from sched.traces.trace_format import TraceCall


@dataclass(slots=True, eq=False)
class SimCall:
    """A call that became ready at ``ready_at`` seconds."""

    call: TraceCall
    prompt: PromptChain
    ready_at: float
    sent: Dispatch | None = None
    request: SimRequest | None = None

    def send(self, decision: Dispatch, now: float) -> SimRequest:
        """Return the request that carries ``decision`` out."""
        self.sent = decision
        self.request = SimRequest(
            call_id=decision.call_id,
            attempt=decision.attempt,
            position=queue_position(decision.key, decision.sequence, decision.priority),
            pieces=self.prompt.pieces,
            prompt_tokens=self.call.prompt_tokens,
            output_tokens=self.call.output,
            max_new_tokens=self.call.limit_tokens,
            received_at=now,
        )
        return self.request

    def rekey(self, decision: RekeyCall) -> None:
        """Give the request, which was sent and has not started, another place in its queue."""
        assert self.sent is not None
        assert self.request is not None
        self.request.position = queue_position(decision.key, self.sent.sequence, self.sent.priority)

    def record(self, now: float) -> CallRecord:
        """Return what became of a call that finished at ``now``."""
        sent, request = self.sent, self.request
        assert sent is not None
        assert request is not None
        assert request.admitted_at is not None
        assert request.first_token_at is not None
        return CallRecord(
            stage=self.call.stage,
            runtime=sent.runtime,
            queue_seconds=request.admitted_at - self.ready_at,
            first_token_seconds=request.first_token_at - self.ready_at,
            seconds=now - self.ready_at,
            prompt_tokens=self.call.prompt_tokens,
            cached_tokens=request.cached_tokens,
            predicted_cached_tokens=sent.record.predicted_cached_tokens,
            output_tokens=self.call.output,
            ended_at=now,
        )
