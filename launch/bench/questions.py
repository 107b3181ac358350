"""How often the demo model is right, through the whole workflow on real runtimes.

An answer is right if its SQL gives the rows of the right SQL.  ``combinations`` put together what training
never put together, ``values`` name stored values that it left out, ``free`` questions were phrased by
somebody who didn't know the generator.  ``repairs`` is the revision stage alone, given broken SQL and
SQLite's message.  ``alone`` asks one question at a time, for the time that an answer takes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer

from launch.ask.local import local_server
from launch.bench.accuracy.benchmarks.demo_sets import FREE_QUESTIONS
from launch.bench.accuracy.scoring.demo_judge import DemoJudge
from launch.demo_assets import demo_model
from plugins.text2sql.demo.demo_profile import DemoProfile
from plugins.text2sql.demo.training import exam
from plugins.text2sql.demo.training.exam import ExamQuestion, Repair
from plugins.text2sql.demo.training.language.world import World, demo_world
from plugins.text2sql.options import Text2SqlOptions

HELP = "the demo model's accuracy and speed"

_TIMEOUT_SECONDS = 300.0
_ALONE = 20
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class QuestionOutcome:
    """What came of one question; ``seconds`` from its arrival to the answer."""

    question: str
    gold: str
    sql: str | None
    right: bool
    nearly: bool
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add = parser.add_argument
    add("--server", metavar="URL", help="a running one that serves the demo model (default: start one)")
    add("--count", type=int, default=150, help="questions in each generated set (default: 150)")
    add("--free", type=Path, default=FREE_QUESTIONS, metavar="FILE", help="questions phrased freely")
    add("--sets", default="combinations,values,free,repairs,alone", help="which to run (default: all)")
    add("--clients", type=int, default=4, help="questions at a time (default: 4)")
    add("--json", type=Path, metavar="FILE", help="write every question and its outcome to FILE, too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table and return the exit code."""
    console = Console()
    try:
        if arguments.server:
            outcomes = _measure(arguments, arguments.server)
        else:
            with local_server(progress=console) as url:
                outcomes = _measure(arguments, url)
    except (RuntimeError, httpx.HTTPError) as error:
        print(f"the measurement failed: {error}", file=sys.stderr)
        return 1
    table = Table("set", "questions", "right", "right but for columns", "P50 s", "P90 s")
    summaries = {name: _summary(found) for name, found in outcomes.items()}
    for name, summary in summaries.items():
        shares = (f"{summary['right']:.1%}", f"{summary['nearly']:.1%}")
        table.add_row(
            name, str(summary["questions"]), *shares, f"{summary['p50']:.2f}", f"{summary['p90']:.2f}"
        )
    console.print(table)
    if arguments.json:
        detail = {name: [asdict(outcome) for outcome in found] for name, found in outcomes.items()}
        arguments.json.write_text(json.dumps({"summary": summaries, "questions": detail}, indent=1), "utf-8")
    return 0


def _summary(outcomes: Sequence[QuestionOutcome]) -> dict[str, float]:
    seconds = sorted(outcome.seconds for outcome in outcomes)
    return {
        "questions": len(outcomes),
        "right": sum(outcome.right for outcome in outcomes) / len(outcomes),
        "nearly": sum(outcome.nearly for outcome in outcomes) / len(outcomes),
        "p50": statistics.median(seconds),
        "p90": seconds[int(0.9 * (len(seconds) - 1))],
    }


def _measure(arguments: argparse.Namespace, url: str) -> Mapping[str, list[QuestionOutcome]]:
    found: dict[str, list[QuestionOutcome]] = {}
    with demo_world() as world:
        drawn: dict[str, Callable[[], list[ExamQuestion]]] = {
            "combinations": lambda: exam.combinations(world, arguments.count),
            "values": lambda: exam.unseen_values(world, arguments.count),
            "free": lambda: exam.read_questions(arguments.free),
            "alone": lambda: exam.combinations(world, _ALONE),
        }
        for name in arguments.sets.split(","):
            clients = 1 if name == "alone" else arguments.clients
            if name == "repairs":
                found[name] = _all(url, clients, exam.repairs(world, arguments.count), _repairer(world))
            else:
                found[name] = _all(url, clients, drawn[name](), partial(_asked, world))
    return found


def _all(
    url: str, clients: int, items: Sequence[_Item], ask: Callable[[httpx.Client, _Item], QuestionOutcome]
) -> list[QuestionOutcome]:
    """Return the outcomes of ``items``, asked by ``clients`` at a time."""
    # New connections for each set: while one was drawn, the server may have begun to close idle ones.
    client = httpx.Client(base_url=url, timeout=httpx.Timeout(_TIMEOUT_SECONDS), trust_env=False)
    with client, ThreadPoolExecutor(clients) as pool:
        return list(pool.map(partial(ask, client), items))


def _asked(world: World, client: httpx.Client, asked: ExamQuestion) -> QuestionOutcome:
    body = {"question": asked.question, "database": "shop", "slo_seconds": _TIMEOUT_SECONDS}
    answer = client.post("/v1/text2sql", json=body).raise_for_status().json()
    return _outcome(world, asked.question, asked.sql, answer["sql"], answer["seconds"])


def _repairer(world: World) -> Callable[[httpx.Client, Repair], QuestionOutcome]:
    """Return what runs the revision stage as the workflow does."""
    tokenizer = Tokenizer.from_file(f"{demo_model()}/tokenizer.json")
    profile = DemoProfile()

    def repair(client: httpx.Client, broken: Repair) -> QuestionOutcome:
        params = profile.statement(world.schema, 0, broken.asked.question, broken.values)
        sampling: dict[str, Any] = {**params.sampling, "max_new_tokens": params.max_new_tokens}
        sampling["temperature"] = Text2SqlOptions().revision_temperature
        prompt = broken.task.prompt
        ids = [i for part in prompt for i in tokenizer.encode(part.text, add_special_tokens=False).ids]
        body = {"input_ids": ids, "sampling_params": sampling}
        answer = client.post("/generate", json=body).raise_for_status().json()
        seconds = answer["meta_info"]["e2e_latency"]
        text = "".join(part.text for part in prompt)
        return _outcome(world, text, broken.asked.sql, answer["text"], seconds)

    return repair


def _outcome(world: World, question: str, gold: str, sql: str | None, seconds: float) -> QuestionOutcome:
    verdict = DemoJudge(world.path).verdict(gold, sql)
    return QuestionOutcome(question, gold, sql, verdict.right, verdict.nearly, seconds)
