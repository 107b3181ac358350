"""A live workflow as a line of a trace: which call had to wait for which, and what each was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.controller.calls import PendingCall
from engine.controller.recording.sharing import Outline, Sharing
from engine.controller.timeline import RUN_OUTSIDE, SqlEntry, WorkflowRecord
from sched.request import State, WorkflowSpec
from sched.traces.trace_format import TraceCall, TraceWorkflow

MOST_CALLS = 256
"""Calls kept of a workflow, the first ones: which waited for which is found by comparing all."""
Texts = Callable[[bytes, Sequence[int]], tuple[str, ...]]
"""Returns the texts of a prompt's parts, given its token ids (int32) and the tokens of each part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCall:
    """A call that ended.  ``ready`` and ``ended``: seconds since the workflow's arrival.

    ``output_tokens``: what it wrote if it finished, else what was expected of it.
    """

    stage: str
    ready: float
    ended: float
    state: State
    outline: Outline
    output_tokens: int
    max_new_tokens: int
    join_id: str | None = None
    branch: int = 0

    @classmethod
    def of(cls, call: PendingCall) -> Callable[[Outline], EndedCall]:
        """Return what makes an ``EndedCall`` from the prompt's outline; it needs ``call`` no longer."""
        entry, request = call.entry, call.request
        if call.answer is not None:
            output = float(call.answer.output_tokens)
        elif entry.decision is not None:
            output = entry.decision.predicted_output_tokens
        else:
            output = request.max_new_tokens
        state, ready, seconds = State(entry.state), entry.ready_at, entry.total_seconds or 0.0

        def end(outline: Outline) -> EndedCall:
            return EndedCall(
                stage=request.stage,
                ready=ready,
                ended=ready + seconds,
                state=state,
                outline=outline,
                output_tokens=max(1, round(output)),
                max_new_tokens=request.max_new_tokens,
                join_id=request.place.join_id,
                branch=request.place.branch,
            )

        return end


@dataclass(frozen=True, slots=True)
class EndedWorkflow:
    """A workflow that finished, its statements and the number of its calls.  ``started_at``: Unix seconds."""

    spec: WorkflowSpec
    started_at: float
    statements: tuple[SqlEntry, ...]
    calls: int

    @classmethod
    def of(cls, record: WorkflowRecord) -> EndedWorkflow | None:
        """Return the workflow of ``record``, ``None`` unless it finished with all its statements known."""
        if record.state is not State.FINISHED or any(earlier.kind == "sql" for earlier in record.earlier):
            return None
        statements = tuple(entry for entry in record.entries if isinstance(entry, SqlEntry))
        return cls(record.spec, record.started_at, statements, record.calls)


def trace_workflow(
    name: str,
    workflow: EndedWorkflow,
    calls: Sequence[EndedCall],
    began: float,
    sharing: Sharing,
    texts: Texts | None = None,
) -> TraceWorkflow | None:
    """Return the workflow as a trace has it, arriving after the Unix time ``began``; ``None`` without calls.

    A call depends on those that had ended when it became ready, unless both are in different branches of a
    fan-out.  A call that was cancelled because its siblings had decided is kept, with the output expected of
    it; any other that did not finish is left out.
    """
    ended, cut_short = _branches(calls, workflow.statements)
    kept = sorted((call for call in calls if _counts(call, ended)), key=lambda call: call.ready)
    if not kept:
        return None
    after = _dependencies(kept)
    seconds = _gaps(kept, after) if workflow.spec.kind in RUN_OUTSIDE else _sql(kept, workflow.statements)
    segments = sharing.segments([call.outline for call in kept])
    spec = workflow.spec
    return TraceWorkflow(
        id=name,
        arrival=max(0.0, workflow.started_at - began),
        kind=spec.kind,
        tenant=spec.tenant,
        database=spec.database or None,
        slo_seconds=spec.slo_seconds,
        decided={join: len(ended[join]) for join in sorted(cut_short) if ended[join]},
        calls=tuple(
            TraceCall(
                id=i,
                stage=call.stage,
                after=after[i],
                segments=segments[i],
                output=call.output_tokens,
                max_new_tokens=max(call.max_new_tokens, call.output_tokens),
                sql=seconds[i],
                join=call.join_id,
                branch=call.branch if call.join_id else 0,
                texts=texts(call.outline.token_ids, [s.tokens for s in segments[i]]) if texts else (),
            )
            for i, call in enumerate(kept)
        ),
    )


def _branches(
    calls: Sequence[EndedCall], statements: Sequence[SqlEntry]
) -> tuple[dict[str, set[int]], set[str]]:
    """Return the branches of each join that ended by themselves, and the joins in which some did not."""
    ended: dict[str, set[int]] = defaultdict(set)
    torn: dict[str, set[int]] = defaultdict(set)
    for call in calls:
        if call.join_id is not None:
            ended[call.join_id].add(call.branch)
            if call.state is State.CANCELLED:
                torn[call.join_id].add(call.branch)
    for statement in statements:
        if statement.state == State.CANCELLED:
            source = _before(calls, statement)
            if source is not None and source.join_id is not None:
                torn[source.join_id].add(source.branch)
    for join, branches in torn.items():
        ended[join] -= branches
    return ended, set(torn)


def _counts(call: EndedCall, ended: dict[str, set[int]]) -> bool:
    if call.state is State.FINISHED:
        return True
    return call.state is State.CANCELLED and call.join_id is not None and bool(ended[call.join_id])


def _dependencies(calls: Sequence[EndedCall]) -> list[tuple[int, ...]]:
    """Return for each call those it waited for, less those that these had waited for."""
    ancestors: list[int] = []  # bit sets
    after: list[tuple[int, ...]] = []
    for i, call in enumerate(calls):
        before = [j for j in range(i) if calls[j].ended <= call.ready and not _beside(calls[j], call)]
        further = 0
        for j in before:
            further |= ancestors[j]
        after.append(tuple(j for j in before if not further >> j & 1))
        ancestors.append(further | sum(1 << j for j in after[-1]))
    return after


def _beside(one: EndedCall, other: EndedCall) -> bool:
    """Whether two calls are in different branches of a fan-out (``engine/controller/live_steps.py`` names
    inner ones)."""
    if one.join_id is None or other.join_id is None:
        return False
    if one.join_id == other.join_id:
        return one.branch != other.branch
    return _inside_another(one, other) or _inside_another(other, one)


def _inside_another(inner: EndedCall, outer: EndedCall) -> bool:
    """Whether ``inner`` is in a fan-out inside another branch of the fan-out of ``outer``."""
    assert inner.join_id is not None
    return inner.join_id.startswith(f"{outer.join_id}.") and not inner.join_id.startswith(
        f"{outer.join_id}.{outer.branch}/"
    )


def _before(calls: Sequence[EndedCall], statement: SqlEntry) -> EndedCall | None:
    """Return the call whose output a statement came from: the last one before it in its branch."""
    candidates = [
        call
        for call in calls
        if call.ended <= statement.ready_at
        and (call.branch if call.join_id else None) == statement.branch
        and call.state is State.FINISHED
    ]
    return max(candidates, key=lambda call: call.ended, default=None)


def _sql(calls: Sequence[EndedCall], statements: Sequence[SqlEntry]) -> list[float]:
    """Return the seconds of SQL that followed each call."""
    seconds = {id(call): 0.0 for call in calls}
    for statement in statements:
        call = _before(calls, statement)
        if call is not None and statement.state != State.CANCELLED:
            seconds[id(call)] += statement.total_seconds or 0.0
    return list(seconds.values())


def _gaps(calls: Sequence[EndedCall], after: Sequence[tuple[int, ...]]) -> list[float]:
    """Return what an agent outside did after each call, in seconds, until the first that followed."""
    seconds: dict[int, float] = {}
    for call, before in zip(calls, after, strict=True):
        if before:
            last = max(before, key=lambda j: calls[j].ended)
            gap = call.ready - calls[last].ended
            seconds[last] = min(seconds.get(last, gap), gap)
    return [seconds.get(i, 0.0) for i in range(len(calls))]
