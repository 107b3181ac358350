"""Unit tests: where candidates differ, the model writes tests and judges the candidates by them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from plugins.text2sql import stages
from plugins.text2sql.agent import Tool, run_agent
from plugins.text2sql.answers import UnitTests, Verdicts
from plugins.text2sql.linking.shown_schema import ShownSchema, tables_in
from plugins.text2sql.options import Job
from plugins.text2sql.prompts.layout import Topic
from sched.errors import CALL_FAILURES
from sched.workflow import Segment, SqlResult, Steps

_LEAST_TOKENS = 512
"""Room for tables and a test beside the statements that are compared."""
_SHORTER_STATEMENTS = (1000, 500, 250, 100)
"""Characters of each statement that are shown, where all of them would leave less."""


@dataclass(slots=True)
class Judgement:
    """The ``tests``, and how many of them each result passed; ``passed`` is empty if none was judged.

    With early ending, tests that could not change the winner any more are not counted.
    """

    tests: list[str] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)


async def judge(steps: Steps, job: Job, shown: ShownSchema, results: Sequence[SqlResult]) -> Judgement:
    """Return how ``results``, different ones, fare in unit tests; their statements' tables are shown.

    The agent decides whether tests are written and whether they are evaluated: one call per test, in
    parallel, each about all results, so that only the end of its prompt is its own.  Where a call fails or
    takes too long, what was judged before it counts.  With early ending it all ends at the deadline.

    Raises:
        SluiceError: no call can be made.
    """
    judgement = Judgement()
    candidates = await _compared(job, results)
    tables = tables_in(job.schema, "\n".join(result.statement for result in results))
    answer_tokens = job.options.max_answer_tokens

    async def write() -> None:
        at_most = job.options.max_unit_tests

        def build(topic: Topic) -> Sequence[Segment]:
            return job.prompts.unit_tests(topic, candidates, at_most)

        prompt = build(await shown.topic(steps, stages.GENERATE_UNIT_TEST, build, answer_tokens, tables))
        judgement.tests = await job.ask(steps, stages.GENERATE_UNIT_TEST, prompt, UnitTests(at_most))

    async def evaluate() -> None:
        longest = max(judgement.tests, key=len, default="")

        def build(topic: Topic) -> Sequence[Segment]:
            return job.prompts.evaluation(topic, candidates, longest)

        topic = await shown.topic(steps, stages.EVALUATE, build, answer_tokens, tables)
        branches = [evaluation(topic, test) for test in judgement.tests]
        count = len(results)
        won = partial(is_won, tests=len(branches), results=count) if job.options.early_ending else None
        verdicts = await steps.fan_out(branches, enough=won)
        if verdicts:
            judgement.passed = passes(verdicts, count)

    def evaluation(topic: Topic, test: str) -> Callable[[Steps], Awaitable[frozenset[int]]]:
        async def run(branch: Steps) -> frozenset[int]:
            prompt = job.prompts.evaluation(topic, candidates, test)
            return await job.ask(branch, stages.EVALUATE, prompt, Verdicts(len(results)))

        return run

    tools = (
        Tool(stages.GENERATE_UNIT_TEST, write),
        Tool(stages.EVALUATE, evaluate, needs=stages.GENERATE_UNIT_TEST),
    )
    seconds = steps.remaining_seconds() if job.options.early_ending else None
    if seconds is None or seconds > 0:
        with suppress(*CALL_FAILURES, TimeoutError):  # the timeline shows it
            async with asyncio.timeout(seconds):
                await run_agent(steps, job, stages.UNIT_TESTER, tools)
    return judgement


def passes(verdicts: Sequence[frozenset[int]], results: int) -> list[int]:
    """Return how many tests each result passed, of which each verdict has the results that passed one."""
    return [sum(n in passed for passed in verdicts) for n in range(results)]


def is_won(verdicts: Sequence[frozenset[int]], tests: int, results: int) -> bool:
    """Return whether one result leads by more than the tests still out, so that these can't matter."""
    second, first = sorted([0, *passes(verdicts, results)])[-2:]
    return first - second > tests - len(verdicts)


async def _compared(job: Job, results: Sequence[SqlResult]) -> str:
    """Return ``results`` as prompts compare them; statements are cut where no room is left for a schema."""
    bare = replace(job.topic, tables=("",))
    for most in (None, *_SHORTER_STATEMENTS):
        candidates = job.prompts.compared(results, most)
        prompt = job.prompts.evaluation(bare, candidates, "")
        if await job.linking.room.left(prompt, job.options.max_answer_tokens) >= _LEAST_TOKENS:
            break
    return candidates
