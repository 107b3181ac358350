"""The calls of schema linking: within the time that they may take, and so that each may fail alone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from plugins.text2sql import stages
from plugins.text2sql.answers import SomeTables
from plugins.text2sql.linking.schema_parts import Part
from plugins.text2sql.options import Job
from sched.errors import CALL_FAILURES
from sched.workflow import Segment, Steps

T = TypeVar("T")

_SHARE = 0.5
"""Of the time until the deadline linking takes at most so much: the rest is for writing SQL."""
_NO_TIME = "the deadline left no time"
_UNREADABLE = "the answer could not be read"


@dataclass(frozen=True, slots=True)
class Lost:
    """A call that says nothing about its tables; ``reason`` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What the model said of parts, in ``calls`` calls.

    ``named``: the tables that it named, those named first in their parts first.  ``lost``: the tables of the
    parts that it said nothing of, for these ``reasons``.
    """

    named: list[str]
    calls: int
    lost: list[str]
    reasons: list[str]


def linking_seconds(steps: Steps) -> float:
    """Return the time that linking may take from now on; negative once the deadline has passed."""
    return _SHARE * steps.remaining_seconds()


async def answered(seconds: float, asked: Callable[[], Awaitable[T]]) -> T | Lost:
    """Return what is ``asked``, unless the call fails or isn't answered within ``seconds``.

    Raises:
        SluiceError: what concerns the whole question.
    """
    if seconds <= 0:
        return Lost(_NO_TIME)
    try:
        async with asyncio.timeout(seconds):
            return await asked()
    except CALL_FAILURES as error:
        return Lost(error.message)
    except TimeoutError:
        return Lost(_NO_TIME)


async def ask_parts(steps: Steps, job: Job, asked: Sequence[Part], scores: Mapping[str, float]) -> Answers:
    """Ask about each part, side by side; where time is short, about those first whose ``scores`` are best.

    Raises:
        SluiceError: what concerns the whole question.
    """
    seconds = linking_seconds(steps)
    prompts = [
        job.prompts.linking(replace(job.topic, tables=tuple(table.text for table in part))) for part in asked
    ]
    best = [max(scores[table.name] for table in part) for part in asked]
    order = sorted(range(len(asked)), key=lambda place: -best[place])
    places = await _affordable(steps, prompts, order, seconds)

    def branch(place: int) -> Callable[[Steps], Awaitable[list[str] | Lost]]:
        form = SomeTables(tuple(table.name for table in asked[place]))

        async def run(inner: Steps) -> list[str] | Lost:
            named = await answered(
                seconds, lambda: job.ask(inner, stages.SCHEMA_LINKING, prompts[place], form)
            )
            return Lost(_UNREADABLE) if named is None else named

        return run

    said: list[list[str] | Lost] = [Lost(_NO_TIME)] * len(asked)
    for place, answer in zip(places, await steps.fan_out([branch(place) for place in places]), strict=True):
        said[place] = answer
    named = [answer for answer in said if isinstance(answer, list)]
    return Answers(
        _in_turn(named),
        len(places),
        [
            table.name
            for part, answer in zip(asked, said, strict=True)
            if isinstance(answer, Lost)
            for table in part
        ],
        list(dict.fromkeys(answer.reason for answer in said if isinstance(answer, Lost))),
    )


async def _affordable(
    steps: Steps, prompts: Sequence[Sequence[Segment]], order: Sequence[int], seconds: float
) -> list[int]:
    """Return the places of the ``prompts``, in ``order``, that ``seconds`` are expected to be enough for.

    They are taken to be computed one after the other.  One of which nothing is known yet costs nothing.
    """
    if seconds <= 0:
        return []
    costs = await steps.prompt_seconds(stages.SCHEMA_LINKING, prompts)
    taken = []
    for place in order:
        seconds -= costs[place].now if math.isfinite(costs[place].now) else 0.0
        if seconds < 0:
            break
        taken.append(place)
    return sorted(taken)


def _in_turn(lists: Sequence[Sequence[str]]) -> list[str]:
    """Return the first of each of ``lists``, then the second ones, and so on."""
    longest = max(map(len, lists), default=0)
    return [names[place] for place in range(longest) for names in lists if place < len(names)]
