"""``launch.bench spending``: what questions cost, beside the plan."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from launch.bench.bench_cli import main
from launch.bench.spending import stage_costs
from plugins.text2sql.question import QuestionRequest
from sched.errors import Failure
from sched.workflow import Steps, WorkflowProgram
from tests.launch.api.api_fakes import FakeText2Sql
from tests.launch.api.api_stack import api_stack, served
from tests.waiting import reached


def _call(stage: str, branch: int | None = None, **facts: Any) -> dict[str, Any]:
    figures = {"prompt_tokens": 10, "cached_tokens": 4, "output_tokens": 2, "total_seconds": 0.5}
    ended = {"finish_reason": "stop", "unreadable": False}
    return {"kind": "call", "stage": stage, "branch": branch} | figures | ended | facts


def test_parallel_calls_count_once_as_in_the_plan() -> None:
    """A branch that goes through a stage twice counts twice; figures are means of all questions."""
    cut_off = {"finish_reason": "length", "output_tokens": 20}
    waiting = {"finish_reason": None, "output_tokens": None, "cached_tokens": None, "total_seconds": None}
    first = [
        _call("linking"),
        *(_call("candidate", n) for n in range(3)),
        _call("revise", 0, **cut_off),
        {"kind": "sql", "stage": "execute", "branch": 0},
        _call("revise", 0, **cut_off),
        _call("revise", 2, **waiting),
    ]
    second = [_call("linking", unreadable=True)]
    plan = {"linking": 1.0, "candidate": 1.0, "tests": 2.0}
    costs = stage_costs([{"plan": plan, "timeline": timeline} for timeline in (first, second)])
    assert list(costs) == ["linking", "candidate", "tests", "revise"]
    assert (costs["linking"].planned, costs["linking"].visits, costs["linking"].calls) == (1, 1, 1)
    assert (costs["linking"].unreadable, costs["linking"].at_limit) == (1, 0)
    assert (costs["candidate"].visits, costs["candidate"].calls, costs["candidate"].prompt_tokens) == (
        0.5,
        1.5,
        15,
    )
    assert (costs["tests"].planned, costs["tests"].calls) == (2, 0)
    revised = costs["revise"]
    assert (revised.planned, revised.visits, revised.calls) == (0, 1, 1.5)
    assert (revised.output_tokens, revised.cached_tokens, revised.seconds) == (20, 4, 0.5)
    assert revised.at_limit == 2


async def test_questions_are_asked_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every question to every database; what fails has used calls, too."""
    file, report = tmp_path / "questions.txt", tmp_path / "calls.json"
    file.write_text("How many [customers]?\n\nWhich ones?\n")
    async with api_stack() as api, served(api.app) as port:
        asking = ["spending", str(file), "--server", f"http://127.0.0.1:{port}", "--database", "shop"]
        assert await asyncio.to_thread(main, [*asking, "--json", str(report)]) == 0
        assert [asked[:2] for asked in api.text2sql.asked] == [
            ("How many [customers]?", "shop"),
            ("Which ones?", "shop"),
        ]
        printed = capsys.readouterr().out
        assert "How many [customers]?" in printed
        assert "generate_candidate" in printed
        told = json.loads(report.read_text())
        assert told["stages"]["generate_candidate"]["planned"] == 1
        assert told["stages"]["generate_candidate"]["calls"] == 1
        assert len(told["workflows"]) == 2
        api.worker.failure = Failure("invalid_request", "the prompt is too long")
        assert await asyncio.to_thread(main, asking) == 0
        assert "failed (the prompt is too long), 1 calls" in capsys.readouterr().out
        assert await asyncio.to_thread(main, [*asking[:-1], "none"]) == 1
        assert "there is no database 'none'" in capsys.readouterr().err
        # What was measured before is shown.
        assert await asyncio.to_thread(main, [*asking, "--database", "none"]) == 1
        out, err = capsys.readouterr()
        assert "mean of 2" in out
        assert "there is no database 'none'" in err


class HangsAfterItsCall(FakeText2Sql):
    """A workflow that makes a call and then, for one question, does nothing more until it is cancelled."""

    def program(self, request: QuestionRequest, database: str) -> WorkflowProgram:
        answered = super().program(request, database)

        async def run(steps: Steps) -> Any:
            result = await answered(steps)
            if request.question == "Slow?":
                await asyncio.get_running_loop().create_future()
            return result

        return run


async def test_what_a_question_cost_until_it_timed_out_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its calls and tokens count, it is cancelled, and the next question is asked."""
    file, report = tmp_path / "questions.txt", tmp_path / "calls.json"
    file.write_text("Slow?\nQuick?\n")
    slow = ["--seconds", "0.01", "--json", str(report)]
    async with api_stack(workflow=HangsAfterItsCall()) as api, served(api.app) as port:
        asking = ["spending", str(file), "--server", f"http://127.0.0.1:{port}", "--database", "shop"]
        # The second question may time out as well: the machine is as fast as it is.
        assert await asyncio.to_thread(main, [*asking, *slow]) == 1
        printed = capsys.readouterr().out
        assert "shop: Slow?  timed out after 0.02 s" in printed
        assert "shop: Quick?" in printed
        assert "generate_candidate" in printed
        assert "of 2 questions; the figures have what they cost until then" in printed
        first, _ = json.loads(report.read_text())["workflows"]
        assert first["timed_out"]
        await reached(lambda: not api.dispatcher.book.workflows)
        hung = api.controller.records.get(first["workflow_id"])
        assert hung is not None
        assert hung.state == "cancelled"


@pytest.mark.parametrize(
    ("content", "message"), [(None, "can't be read"), (b"\xff", "can't be read"), (b" \n", "has no question")]
)
def test_a_file_without_questions_is_named(
    content: bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is asked."""
    file = tmp_path / "questions.txt"
    if content is not None:
        file.write_bytes(content)
    assert main(["spending", str(file), "--server", "http://127.0.0.1:9", "--database", "shop"]) == 2
    assert f"{file} {message}" in capsys.readouterr().err
