"""Schema linking: the model names the tables that a question needs, of a large database part by part."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from plugins.text2sql import stages
from plugins.text2sql.answers import SomeTables, TableNames
from plugins.text2sql.linking.schema_parts import Part, parts
from plugins.text2sql.linking.wanted import Wanted
from plugins.text2sql.options import Job
from sched.errors import InvalidRequestError
from sched.workflow import Steps

_QUESTION_TOKENS = 512
"""Room that parts leave for the question and what was retrieved; doubled as often as these need it."""
_LEAST_TOKENS = 128
"""Less room for the tables is of no use."""
_MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Linked:
    """The ``tables`` that the model named, in ``calls`` calls.  None: it named none, so all may be needed."""

    tables: list[str]
    calls: int = 1


async def link(steps: Steps, job: Job, wanted: Wanted, later_room: float) -> Linked:
    """Return the tables that the model links to the question.

    It sees the whole schema where that fits its context.  Otherwise it is asked about parts of it, side by
    side, and what it names of all is united.  If that is more than later prompts have ``later_room`` for
    (tokens), the model chooses again among them, as long as they become fewer, in up to three rounds.

    Raises:
        InvalidRequestError: the question leaves no room for tables.
        SluiceError: a call failed.
    """
    linking = job.linking
    names = [table.name for table in job.schema.tables]
    bare = replace(job.topic, tables=("",))
    room = await linking.room.left(job.prompts.linking(bare), job.options.max_answer_tokens)
    if job.shows_whole or await linking.whole_fits(room):
        prompt = job.prompts.linking(job.topic)
        return Linked(await job.ask(steps, stages.SCHEMA_LINKING, prompt, TableNames(tuple(names))))
    if room < _LEAST_TOKENS:
        raise InvalidRequestError(
            f"the question is too long: it leaves {max(0, round(room))} tokens of the model's context to the "
            f"schema, where {_LEAST_TOKENS} are the least; shorten it",
            field="question",
        )
    unasked = job.prompts.linking(replace(bare, question="", hint="", retrieved=""))
    most = await linking.room.left(unasked, job.options.max_answer_tokens)
    calls, linked = 0, list[str]()
    for _ in range(_MOST_ROUNDS):
        round_ = await parts(linking.rendered, names, part_tokens(most, room), wanted)
        calls += len(round_)
        found = await _named(steps, job, round_)
        if not found or len(found) == len(linked):
            break
        names = linked = found
        needed = await linking.rendered.in_full(linking.needed(linked, wanted))
        if sum(table.tokens for table in needed.values()) <= later_room:
            break
    return Linked(linked, calls)


def part_tokens(most: float, room: float) -> float:
    """Return the tokens of a part, at most ``room``; ``most`` would be without a question.

    It is the same for all questions but long ones: else each would have parts of its own, and share none.
    """
    reserved = _QUESTION_TOKENS
    while most - reserved > room:
        reserved *= 2
    return max(most - reserved, min(room, _LEAST_TOKENS))


async def _named(steps: Steps, job: Job, round_: Sequence[Part]) -> list[str]:
    """Return what the model names of all parts, those named first in their parts first."""

    def branch(part: Part) -> Callable[[Steps], Awaitable[list[str] | None]]:
        async def run(inner: Steps) -> list[str] | None:
            topic = replace(job.topic, tables=tuple(table.text for table in part))
            form = SomeTables(tuple(table.name for table in part))
            return await job.ask(inner, stages.SCHEMA_LINKING, job.prompts.linking(topic), form)

        return run

    answers = await steps.fan_out([branch(part) for part in round_])
    longest = max((len(answer) for answer in answers if answer), default=0)
    return [answer[place] for place in range(longest) for answer in answers if answer and place < len(answer)]
