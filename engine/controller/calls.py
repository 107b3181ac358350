"""Calls in flight at the controller: what must be sent, and who waits for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.controller.prompt_encoder import EncodedPrompt
from engine.controller.timeline import CallEntry, WorkflowRecord
from engine.wire.chat_output import Reading
from engine.wire.messages import RID_LENGTH, Chunk, Finished, Generate
from engine.wire.token_ids import unpack_ids
from sched.decisions import Dispatch
from sched.request import CallSpec
from sched.workflow import Generation


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a workflow a call stands: outside every fan-out, or in ``branch`` of the join ``join_id``,
    which has ``join_size`` branches.  ``ends_branch``: the branch is just this call."""

    record: WorkflowRecord
    join_id: str | None = None
    join_size: int = 1
    branch: int = 0
    ends_branch: bool = False

    @property
    def workflow_id(self) -> str:
        """The workflow's id."""
        return self.record.spec.workflow_id

    @property
    def shown_branch(self) -> int | None:
        """The branch as the timeline shows it: ``None`` outside every fan-out."""
        return None if self.join_id is None else self.branch


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A call that someone wants answered.

    ``sampling`` holds SGLang's sampling parameters, ``logprobs`` its request fields for log probabilities
    (``return_logprob`` …; empty: none are wanted).  ``priority`` as in ``sched/order.py``.  ``given_up`` says
    why it is cancelled should nobody wait for its answer any more.  ``reading`` as in ``wire/messages.py``.
    """

    place: Place
    stage: str
    prompt: EncodedPrompt
    sampling: Mapping[str, Any]
    max_new_tokens: int
    priority: int = 0
    logprobs: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    reading: Reading | None = None
    given_up: str = "its client went away"

    def spec(self, call_id: int, timeout_seconds: float) -> CallSpec:
        """Return what the core needs to know of the call."""
        return CallSpec(
            call_id=call_id,
            workflow_id=self.place.workflow_id,
            stage=self.stage,
            prompt_tokens=self.prompt.tokens,
            max_new_tokens=self.max_new_tokens,
            blocks=self.prompt.blocks,
            join_id=self.place.join_id,
            join_size=self.place.join_size,
            branch=self.place.branch,
            ends_branch=self.place.ends_branch,
            priority=self.priority,
            stream=self.stream,
            timeout_seconds=timeout_seconds,
        )

    def message(self, rid: str, decision: Dispatch) -> Generate:
        """Return what a runtime is sent of the call, as attempt ``rid``."""
        return Generate(
            rid=rid,
            token_ids=self.prompt.token_ids,
            sampling=dict(self.sampling) | {"max_new_tokens": self.max_new_tokens},
            key=decision.key,
            sequence=decision.sequence,
            remaining_seconds=decision.remaining_seconds,
            priority=decision.priority,
            logprobs=self.logprobs,
            stream=self.stream,
            reading=self.reading,
        )


@dataclass(frozen=True, slots=True)
class CallResult:
    """A finished call: the runtime's answer and the call's line in the timeline.

    ``sent_clock`` and ``answered_clock``: when it was handed to the link and when the answer came, seconds
    on the controller's clock.
    """

    answer: Finished
    entry: CallEntry
    sent_clock: float
    answered_clock: float

    @property
    def output_ids(self) -> list[int]:
        """The output token ids."""
        return unpack_ids(self.answer.token_ids).tolist()

    def generation(self) -> Generation:
        """Return the answer as a workflow program sees it."""
        answer = self.answer
        return Generation(
            text=answer.text,
            finish_reason=str(answer.finish_reason.get("type", "stop")),
            prompt_tokens=answer.prompt_tokens,
            cached_tokens=answer.cached_tokens,
            output_tokens=answer.output_tokens,
            index=self.entry.index,
        )


@dataclass(slots=True, eq=False)
class PendingCall:
    """A call between its arrival and its terminal state.

    ``done`` is resolved exactly once, by the core's ``CallSettled``.  ``chunks`` carries a stream's
    output and, last, ``None``.
    """

    call_id: int
    request: CallRequest
    entry: CallEntry
    done: asyncio.Future[CallResult]
    ready_clock: float
    sent_clock: float = 0.0
    answered_clock: float = 0.0
    answer: Finished | None = None
    chunks: asyncio.Queue[Chunk | None] = field(default_factory=asyncio.Queue)

    @property
    def record(self) -> WorkflowRecord:
        """The call's workflow."""
        return self.request.place.record


class RequestIds:
    """Internal request ids: fixed length, new per attempt, told apart between controllers by ``epoch``."""

    def __init__(self, epoch: str) -> None:
        self._prefix = epoch[:6].ljust(6, "0")

    def make(self, call_id: int, attempt: int) -> str:
        """Return the id of an attempt."""
        rid = f"{self._prefix}{call_id:016x}{attempt:02x}"
        assert len(rid) == RID_LENGTH
        return rid

    def parse(self, rid: str) -> tuple[int, int] | None:
        """Return ``(call id, attempt)``, or ``None`` for an id of another controller or none at all."""
        if len(rid) != RID_LENGTH or not rid.startswith(self._prefix):
            return None
        try:
            return int(rid[6:22], 16), int(rid[22:], 16)
        except ValueError:
            return None
