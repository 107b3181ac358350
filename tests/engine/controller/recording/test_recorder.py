"""What a server records of its workflows: the trace that a simulation reads."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.controller.calls import CallRequest, PendingCall, Place
from engine.controller.prompt_encoder import EncodedPrompt
from engine.controller.recording.recorder import Recorder
from engine.controller.timeline import CallEntry, SqlEntry, WorkflowRecord
from engine.wire.messages import Finished
from sched.errors import ConfigError
from sched.request import State, WorkflowSpec
from sched.traces.trace_format import TraceWorkflow, read_header, read_trace, write_trace
from sched.workflow import SegmentKind
from tests.engine.controller.prompt_builders import segmented

PROMPT = segmented((SegmentKind.TEMPLATE, 0, 100), (SegmentKind.CONTEXT, 500, 30))


class Server:
    """Tells a recorder of workflows as a controller would."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.recorder = Recorder(path, **options)
        self._calls = 0

    def workflow(self, name: str, kind: str = "text2sql", started_at: float = 0.0) -> WorkflowRecord:
        spec = WorkflowSpec(workflow_id=name, slo_seconds=9.0, kind=kind, tenant="team", database="shop")
        return WorkflowRecord(spec, arrival=0.0, started_at=started_at)

    def call(
        self,
        record: WorkflowRecord,
        stage: str,
        seconds: tuple[float, float],
        state: State = State.FINISHED,
        asked: EncodedPrompt = PROMPT,
        **join: Any,
    ) -> None:
        """Let a call run from one second of its workflow to another."""
        self._calls += 1
        ready, ended = seconds
        place = Place(record, **join)
        entry = CallEntry(stage=stage, branch=place.shown_branch, ready_at=ready, state=state)
        entry.total_seconds = ended - ready
        record.add(entry)
        made = CallRequest(place=place, stage=stage, prompt=asked, sampling={}, max_new_tokens=64)
        call = PendingCall(self._calls, made, entry, asyncio.Future(loop=_LOOP), 0.0)
        if state is State.FINISHED:
            call.answer = _answer(20)
        self.recorder.call_settled(call)

    def sql(self, record: WorkflowRecord, ready: float, seconds: float, branch: int | None = None) -> None:
        """Let a statement run."""
        entry = SqlEntry(
            stage="execute", branch=branch, ready_at=ready, statement="SELECT 'secret'", state=State.FINISHED
        )
        entry.total_seconds = seconds
        record.add(entry)

    def end(self, record: WorkflowRecord, state: State = State.FINISHED) -> None:
        """Let the workflow end."""
        record.settle(state, 9.0, True, None)
        self.recorder.workflow_settled(record)


_LOOP = asyncio.new_event_loop()


def _answer(output: int) -> Finished:
    return Finished(
        rid="0" * 24,
        text="",
        token_ids=b"",
        finish_reason={"type": "stop"},
        prompt_tokens=130,
        cached_tokens=0,
        output_tokens=output,
        ttft_seconds=0.1,
        total_seconds=1.0,
        meta={},
    )


def recorded(path: Path, server: Server) -> list[TraceWorkflow]:
    """Return what the file holds once the recorder is closed."""
    server.recorder.close()
    return read_trace(path)


def test_dependencies_joins_and_sql_are_those_of_the_program(tmp_path: Path) -> None:
    """Branches wait for what came before the fan-out, the next stage for the last call of each branch."""
    server = Server(tmp_path / "t.jsonl")
    workflow = server.workflow("w")
    server.call(workflow, "link", (0.0, 1.0))
    server.call(workflow, "write", (1.1, 2.0), join_id="1", join_size=2, branch=0)
    server.call(workflow, "write", (1.1, 3.0), join_id="1", join_size=2, branch=1)
    server.sql(workflow, 2.1, 0.25, branch=0)
    server.call(workflow, "revise", (3.5, 4.0), join_id="1", join_size=2, branch=0)
    server.sql(workflow, 4.1, 0.5, branch=0)
    server.sql(workflow, 3.1, 0.75, branch=1)
    server.call(workflow, "test", (5.0, 6.0))
    server.end(workflow)
    (trace,) = recorded(tmp_path / "t.jsonl", server)
    assert [(c.stage, c.after, c.sql, c.join, c.branch) for c in trace.calls] == [
        ("link", (), 0.0, None, 0),
        ("write", (0,), 0.25, "1", 0),
        ("write", (0,), 0.75, "1", 1),
        ("revise", (1,), 0.5, "1", 0),
        ("test", (2, 3), 0.0, None, 0),
    ]
    assert (trace.kind, trace.tenant, trace.database, trace.slo_seconds) == ("text2sql", "team", "shop", 9.0)
    assert {(c.output, c.max_new_tokens, c.prompt_tokens) for c in trace.calls} == {(20, 64, 130)}
    assert trace.decided == {}


def test_a_decided_join_is_recorded_with_what_it_cut_short(tmp_path: Path) -> None:
    """The cancelled sibling is there, and how many branches were enough."""
    server = Server(tmp_path / "t.jsonl")
    workflow = server.workflow("w")
    for branch, state in enumerate((State.FINISHED, State.FINISHED, State.CANCELLED)):
        server.call(workflow, "write", (0.0, 1.0), state, join_id="1", join_size=3, branch=branch)
    server.call(workflow, "write", (0.0, 1.0), State.FAILED)
    server.call(workflow, "test", (1.5, 2.0))
    server.end(workflow)
    (trace,) = recorded(tmp_path / "t.jsonl", server)
    assert trace.decided == {"1": 2}
    assert [(c.stage, c.after) for c in trace.calls] == [("write", ())] * 3 + [("test", (0, 1, 2))]
    assert trace.calls[2].output == 64, "nothing was predicted of it, so its limit"


def test_inner_joins_are_beside_other_branches_only(tmp_path: Path) -> None:
    """A fan-out inside a branch depends on that branch, not on the ones beside it."""
    server = Server(tmp_path / "t.jsonl")
    workflow = server.workflow("w")
    server.call(workflow, "a", (0.0, 1.0), join_id="1", join_size=2, branch=0)
    server.call(workflow, "b", (0.0, 1.0), join_id="1", join_size=2, branch=1)
    server.call(workflow, "c", (2.0, 3.0), join_id="1.1/1", join_size=2, branch=0)
    server.end(workflow)
    (trace,) = recorded(tmp_path / "t.jsonl", server)
    assert [c.after for c in trace.calls] == [(), (), (1,)]


def test_what_an_agent_outside_did_between_its_calls_is_time(tmp_path: Path) -> None:
    """The seconds up to the next call belong to the last one that it waited for."""
    server = Server(tmp_path / "t.jsonl")
    workflow = server.workflow("w", kind="external")
    server.call(workflow, "a", (0.0, 1.0))
    server.call(workflow, "b", (0.0, 2.0))
    server.call(workflow, "c", (2.5, 3.0))
    server.end(workflow)
    (trace,) = recorded(tmp_path / "t.jsonl", server)
    assert [(c.after, c.sql) for c in trace.calls] == [((), 0.0), ((), 0.5), ((0, 1), 0.0)]


def test_only_what_finished_is_written_and_no_text(tmp_path: Path) -> None:
    """A failed workflow leaves nothing; statements and prompts are nowhere in the file."""
    path = tmp_path / "t.jsonl"
    server = Server(path)
    for name, state in (("a", State.FAILED), ("b", State.CANCELLED), ("c", State.FINISHED)):
        workflow = server.workflow(name)
        server.call(workflow, "s", (0.0, 1.0))
        server.sql(workflow, 1.0, 0.5)
        server.end(workflow, state)
    server.end(server.workflow("without calls"))
    assert len(recorded(path, server)) == 1
    assert "secret" not in path.read_text()


def test_text_is_kept_if_asked_for_and_read_back(tmp_path: Path) -> None:
    """One text per segment; the reader takes them, and writes them again."""
    path, copy = tmp_path / "t.jsonl", tmp_path / "copy.jsonl"

    def texts(token_ids: bytes, lengths: Any) -> tuple[str, ...]:
        assert len(token_ids) == 4 * sum(lengths)
        return tuple(f"{length} tokens" for length in lengths)

    server = Server(path, texts=texts)
    workflow = server.workflow("w")
    server.call(workflow, "s", (0.0, 1.0))
    server.end(workflow)
    trace = recorded(path, server)
    assert trace[0].calls[0].texts == ("100 tokens", "30 tokens")
    write_trace(copy, "a copy", trace)
    assert read_trace(copy) == trace


def test_a_new_controller_goes_on(tmp_path: Path) -> None:
    """It appends, with arrivals from the same beginning; a line torn by a crash is taken away."""
    path = tmp_path / "t.jsonl"
    first = Server(path)
    began = read_header(path).began
    assert began is not None
    workflow = first.workflow("same", started_at=began + 1.0)
    first.call(workflow, "s", (0.0, 1.0))
    first.end(workflow)
    assert len(recorded(path, first)) == 1
    with path.open("a") as file:
        file.write('{"id": "2", "arr')
    second = Server(path)
    workflow = second.workflow("same", started_at=began + 50.0)
    second.call(workflow, "s", (0.0, 1.0))
    second.end(workflow)
    both = recorded(path, second)
    assert [w.id for w in both] == ["1", "2"]
    assert [w.arrival for w in both] == pytest.approx([1.0, 50.0])


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    """A trace from elsewhere, a file of another server and a folder are left alone."""
    path = tmp_path / "t.jsonl"
    server = Server(path)
    with pytest.raises(ConfigError, match="is another server's"):
        Recorder(path)
    server.recorder.close()
    foreign = tmp_path / "foreign.jsonl"
    write_trace(foreign, "elsewhere", [])
    with pytest.raises(ConfigError, match="no recording"):
        Recorder(foreign)
    with pytest.raises(ConfigError, match="Is a directory"):
        Recorder(tmp_path)


def test_what_open_workflows_keep_is_bounded(tmp_path: Path) -> None:
    """Beyond the limit the oldest workflow is dropped, and not written in part."""
    server = Server(tmp_path / "t.jsonl", most_tokens=300)
    old, new = server.workflow("old"), server.workflow("new")
    server.call(old, "s", (0.0, 1.0))
    server.call(new, "s", (0.0, 1.0))
    server.call(new, "s", (1.0, 2.0))
    server.end(new)
    server.call(old, "s", (1.0, 2.0))
    server.end(old)
    assert [len(w.calls) for w in recorded(tmp_path / "t.jsonl", server)] == [2]
