"""What questions cost: the calls and tokens of every stage, beside the plan.

The questions are asked one at a time.  Of one that takes longer than twice its deadline, what it has cost by
then counts; it is cancelled.  ``visits`` are those on the critical path, where parallel calls count
once, as the plan does.  ``at the limit`` are calls that a token limit ended: a model that goes on and on.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import httpx
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from launch.arguments import positive
from sched.errors import ConfigError

HELP = "calls and tokens per question, by stage, beside the plan"

_ANSWER_SECONDS = 60.0
"""What the server takes at most to accept a question or to show a workflow."""
_FIGURES = ("planned", "visits", "calls", "prompt_tokens", "cached_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class StageCost:
    """What a stage took per question.  ``planned`` and real ``visits`` are those on the critical path.

    ``at_limit`` of all its calls were ended by a token limit.  ``seconds`` are the sum of its calls', whether
    side by side or not.
    """

    planned: float
    visits: float
    calls: float
    prompt_tokens: float
    cached_tokens: float
    output_tokens: float
    seconds: float
    at_limit: int
    unreadable: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add = parser.add_argument
    add("file", type=Path, help="the questions, one a line")
    add("--server", metavar="URL", required=True, help="a running one")
    add(
        "--database", action="append", metavar="NAME", required=True, help="asked every question (repeatable)"
    )
    add("--seconds", type=positive, default=600.0, help="the deadline of a question (default: 600)")
    add("--json", type=Path, metavar="FILE", help="write the figures and every workflow to FILE, too")


def run(arguments: argparse.Namespace) -> int:
    """Ask, print the tables and return the exit code: 1 if a question timed out or the server failed."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    questions = _questions(arguments.file)
    workflows: list[Mapping[str, Any]] = []
    failed = False
    try:
        asyncio.run(_ask_all(arguments, questions, workflows, console))
    except httpx.HTTPError as error:
        # An error of the connection may have no message.
        print(f"the measurement failed: {error or type(error).__name__}", file=sys.stderr)
        failed = True
    if not workflows:
        return 1
    costs = stage_costs(workflows)
    console.print(_table(costs, len(workflows)))
    late = sum(workflow["timed_out"] for workflow in workflows)
    if late:
        print(f"timed out: {late} of {len(workflows)} questions; the figures have what they cost until then")
    if arguments.json:
        figures = {stage: asdict(cost) for stage, cost in costs.items()}
        report = {"bench": "spending", "stages": figures, "workflows": workflows}
        arguments.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return 1 if failed or late else 0


async def _ask_all(
    arguments: argparse.Namespace,
    questions: Sequence[str],
    workflows: list[Mapping[str, Any]],
    console: Console,
) -> None:
    """Ask every question and add its workflow to ``workflows``.

    Raises:
        httpx.HTTPError: the server can't be reached, refuses a question or doesn't answer.
    """
    timeout = httpx.Timeout(_ANSWER_SECONDS)
    async with httpx.AsyncClient(base_url=arguments.server, timeout=timeout, trust_env=False) as client:
        for database, question in product(arguments.database, questions):
            workflows.append(await _ask(client, question, database, arguments.seconds))
            console.print(escape(_line(question, workflows[-1])))


def _questions(file: Path) -> list[str]:
    """Return the lines of ``file`` that aren't empty.

    Raises:
        ConfigError: it can't be read, or has none.
    """
    try:
        lines = map(str.strip, file.read_text("utf-8").splitlines())
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{file} can't be read: {error}; give a text file") from error
    found = list(filter(None, lines))
    if not found:
        raise ConfigError(f"{file} has no question; write one a line")
    return found


def stage_costs(workflows: Sequence[Mapping[str, Any]]) -> dict[str, StageCost]:
    """Return what each stage took per workflow (``GET /v1/workflows/{id}``), in the order of the plan."""
    stages = dict.fromkeys(stage for workflow in workflows for stage in workflow["plan"])
    stages |= dict.fromkeys(call["stage"] for workflow in workflows for call in _calls(workflow))
    return {stage: _cost(stage, workflows) for stage in stages}


def _cost(stage: str, workflows: Sequence[Mapping[str, Any]]) -> StageCost:
    found = [[call for call in _calls(workflow) if call["stage"] == stage] for workflow in workflows]
    calls = [call for each in found for call in each]

    def per_question(what: str) -> float:
        # A call that was cancelled has no tokens; one that waited has no seconds.
        return sum(call[what] or 0 for call in calls) / len(workflows)

    return StageCost(
        planned=mean(workflow["plan"].get(stage, 0.0) for workflow in workflows),
        visits=mean(max(Counter(call["branch"] for call in each).values(), default=0) for each in found),
        calls=len(calls) / len(workflows),
        prompt_tokens=per_question("prompt_tokens"),
        cached_tokens=per_question("cached_tokens"),
        output_tokens=per_question("output_tokens"),
        seconds=per_question("total_seconds"),
        at_limit=sum(call["finish_reason"] == "length" for call in calls),
        unreadable=sum(call["unreadable"] for call in calls),
    )


def _calls(workflow: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [entry for entry in workflow["timeline"] if entry["kind"] == "call"]


async def _ask(client: httpx.AsyncClient, question: str, database: str, seconds: float) -> Mapping[str, Any]:
    """Return the workflow of ``question`` (``GET /v1/workflows/{id}``) with whether it ``timed_out``.

    It is streamed, so that its id is known before its end.  Leaving the stream cancels it.
    """
    body = {"question": question, "database": database, "slo_seconds": seconds, "include_outputs": True}
    limit = httpx.Timeout(_ANSWER_SECONDS, read=2 * seconds + _ANSWER_SECONDS)
    async with client.stream("POST", "/v1/text2sql", json=body | {"stream": True}, timeout=limit) as answer:
        # A workflow that fails has used calls, too.
        name = answer.headers.get("x-workflow-id")
        if name is None:
            text = (await answer.aread()).decode()
            raise httpx.HTTPStatusError(text, request=answer.request, response=answer)
        timed_out = False
        try:
            async with asyncio.timeout(2 * seconds):
                async for _ in answer.aiter_raw():
                    pass
        except TimeoutError:
            timed_out = True
    workflow = (await client.get(f"/v1/workflows/{name}")).raise_for_status().json()
    # It may have ended in the meantime.
    return {**workflow, "timed_out": timed_out and workflow["result"] is None}


def _line(question: str, workflow: Mapping[str, Any]) -> str:
    calls = _calls(workflow)
    failure = workflow["error"]
    if workflow["timed_out"]:
        status = f"timed out after {2 * workflow['slo_seconds']:g} s"
    else:
        status = f"failed ({failure['message']})" if failure else workflow["result"]["status"]
    tokens = sum(call["output_tokens"] or 0 for call in calls)
    took = "" if workflow["timed_out"] else f", {workflow['seconds']:.1f} s"
    return f"{workflow['database']}: {question}  {status}, {len(calls)} calls, {tokens} tokens out{took}"


def _table(costs: Mapping[str, StageCost], questions: int) -> Table:
    table = Table(title=f"per question, mean of {questions}")
    table.add_column("stage")
    for name in ("planned\nvisits", "visits", "calls", "tokens\nin", "cached", "out", "seconds\nof calls"):
        table.add_column(name, justify="right")
    table.add_column("calls at\nthe limit", justify="right")
    table.add_column("unreadable", justify="right")
    for stage, cost in costs.items():
        planned, visits, calls, *tokens = (getattr(cost, what) for what in _FIGURES)
        table.add_row(
            stage,
            *(f"{count:.2f}" for count in (planned, visits, calls)),
            *(f"{count:,.0f}" for count in tokens),
            f"{cost.seconds:.1f}",
            str(cost.at_limit),
            str(cost.unreadable),
        )
    return table
