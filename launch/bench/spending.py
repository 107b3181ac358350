"""What questions cost: the calls and tokens of every stage, beside the plan.

The questions are asked one at a time.  ``visits`` are those on the critical path, where parallel calls count
once, as the plan does.  ``at the limit`` are calls that a token limit ended: a model that goes on and on.
"""

from __future__ import annotations

import argparse
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
    """Ask, print the tables and return the exit code."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    questions = _questions(arguments.file)
    workflows: list[Mapping[str, Any]] = []
    try:
        timeout = httpx.Timeout(2 * arguments.seconds)
        with httpx.Client(base_url=arguments.server, timeout=timeout, trust_env=False) as client:
            for database, question in product(arguments.database, questions):
                workflows.append(_ask(client, question, database, arguments.seconds))
                console.print(escape(_line(question, workflows[-1])))
    except httpx.HTTPError as error:
        print(f"the measurement failed: {error}", file=sys.stderr)
        return 1
    costs = stage_costs(workflows)
    console.print(_table(costs, len(workflows)))
    if arguments.json:
        figures = {stage: asdict(cost) for stage, cost in costs.items()}
        report = {"bench": "spending", "stages": figures, "workflows": workflows}
        arguments.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


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


def _ask(client: httpx.Client, question: str, database: str, seconds: float) -> Mapping[str, Any]:
    body = {"question": question, "database": database, "slo_seconds": seconds, "include_outputs": True}
    # A workflow that fails has used calls, too.
    answer = client.post("/v1/text2sql", json=body)
    name = answer.headers.get("x-workflow-id")
    if name is None:
        raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)
    workflow: Mapping[str, Any] = client.get(f"/v1/workflows/{name}").raise_for_status().json()
    return workflow


def _line(question: str, workflow: Mapping[str, Any]) -> str:
    calls = _calls(workflow)
    failure = workflow["error"]
    status = f"failed ({failure['message']})" if failure else workflow["result"]["status"]
    tokens = sum(call["output_tokens"] or 0 for call in calls)
    return (
        f"{workflow['database']}: {question}  {status}, {len(calls)} calls, {tokens} tokens out, "
        f"{workflow['seconds']:.1f} s"
    )


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
