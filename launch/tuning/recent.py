"""What the server's latest workflows asked for, as traces to replay: a bounded ring in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.calls import PendingCall
from engine.timeline import SqlEntry, WorkflowRecord
from sched.autotune import Recent
from sched.prefix import BLOCK_TOKENS
from sched.request import State
from sched.trace import TraceCall, TraceSegment, TraceWorkflow
from sched.workflow import SegmentKind

_EDGE = 4
"""A segment ends at every fourth block on average, told by the block's number: so equal prefixes are divided
equally, whoever has them."""


@dataclass(frozen=True, slots=True)
class _Done:
    """A finished call: seconds from its workflow's arrival, ``blocks`` of its prompt."""

    call: PendingCall
    ready_at: float
    ended_at: float

    @property
    def branch(self) -> tuple[str, int] | None:
        request = self.call.request
        return None if request.join_id is None else (request.join_id, request.branch)


class RecentWorkflows:
    """Feeds ``recent`` with the arrivals and ends of workflows; an ``engine.observer.Observer``."""

    def __init__(self, recent: Recent) -> None:
        self._recent = recent
        self._done: dict[str, list[_Done]] = {}

    def call_sent(self, call: PendingCall) -> None:
        """Note a workflow with its first call."""
        name = call.record.spec.workflow_id
        if name not in self._done:
            self._done[name] = []
            self._recent.arrived(name, call.record.arrival)

    def call_settled(self, call: PendingCall) -> None:
        """Keep a finished call until its workflow ends."""
        entry, name = call.entry, call.record.spec.workflow_id
        if entry.state == State.FINISHED and entry.output_tokens and name in self._done:
            ended_at = entry.ready_at + (entry.total_seconds or 0.0)
            self._done[name].append(_Done(call, entry.ready_at, ended_at))

    def workflow_settled(self, record: WorkflowRecord) -> None:
        """Turn a finished workflow into a trace's."""
        done = self._done.pop(record.spec.workflow_id, [])
        if record.state is State.FINISHED and done:
            self._recent.ended(as_trace(record, done))

    def close(self) -> None:
        """Nothing is open."""


def as_trace(record: WorkflowRecord, done: Sequence[_Done]) -> TraceWorkflow:
    """Return a finished workflow as a trace has it.

    A call follows the calls that had ended when it became ready, its SQL included; of these only the last
    ones are named.
    """
    done = sorted(done, key=lambda d: (d.ready_at, d.ended_at))
    sql = [_sql_after(d, done, record) for d in done]
    ends = [d.ended_at + seconds for d, seconds in zip(done, sql, strict=True)]
    before: list[set[int]] = []
    calls = []
    for i, (ended, seconds) in enumerate(zip(done, sql, strict=True)):
        # Half a millisecond: times come from several readings of one clock.
        earlier = {j for j in range(i) if ends[j] <= ended.ready_at + 5e-4}
        after = earlier - set().union(*(before[j] for j in earlier))
        before.append(earlier)
        request, entry = ended.call.request, ended.call.entry
        join, branch = ended.branch or (None, 0)
        calls.append(
            TraceCall(
                id=i,
                stage=request.stage,
                after=tuple(sorted(after)),
                segments=_segments(request.prompt.blocks, request.prompt.tokens),
                output=entry.output_tokens or 1,
                max_new_tokens=max(request.max_new_tokens, entry.output_tokens or 1),
                sql=seconds,
                join=join,
                branch=branch,
            )
        )
    spec = record.spec
    return TraceWorkflow(
        id=spec.workflow_id,
        arrival=0.0,
        kind=spec.kind,
        tenant=spec.tenant,
        database=spec.database,
        calls=tuple(calls),
    )


def _sql_after(ended: _Done, done: Sequence[_Done], record: WorkflowRecord) -> float:
    """Return the seconds of the statements that followed a call in its branch, before the branch's next."""
    mine = ended.branch and ended.branch[1]
    following = [d.ready_at for d in done if d.branch == ended.branch and d.ready_at > ended.ended_at]
    until = min(following, default=float("inf"))
    return sum(
        entry.total_seconds or 0.0
        for entry in record.entries
        if isinstance(entry, SqlEntry)
        and entry.branch == mine
        and ended.ended_at <= entry.ready_at + 5e-4
        and entry.ready_at < until
    )


def _segments(blocks: Sequence[int], tokens: int) -> tuple[TraceSegment, ...]:
    """Return a prompt as segments; two prompts share them as far as they share blocks, to about a segment."""
    segments, length = [], 0
    for block in blocks:
        length += BLOCK_TOKENS
        if block % _EDGE == 0:
            segments.append(TraceSegment(SegmentKind.TEMPLATE, f"{block:x}", length))
            length = 0
    rest = tokens - sum(segment.tokens for segment in segments)
    return (*segments, TraceSegment(SegmentKind.QUESTION, None, rest)) if rest else tuple(segments)
