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
LONG_STATEMENT = "SELECT column FROM table\n" * 40
"""As long as most statements, or what is wrong with them, that a prompt shows."""


@dataclass(frozen=True, slots=True)
class Linked:
    """The ``tables`` that the model named, in ``calls`` calls, and those that hold a ``valued`` name besides.

    None: the model named none, so all may be needed.
    """

    tables: list[str]
    valued: list[str]
    calls: int = 1

    @property
    def names(self) -> list[str]:
        """The tables that the question needs, without those that join them."""
        return [*self.tables, *self.valued]

    @classmethod
    def of(cls, tables: list[str], wanted: Wanted, calls: int = 1) -> Linked:
        """Return what follows when the model has named ``tables``."""
        return cls(tables, wanted.named(tables) if tables else [], calls)


async def link(steps: Steps, job: Job, wanted: Wanted) -> Linked:
    """Return the tables that the model links to the question.

    It sees the whole schema where that fits its context.  Otherwise it is asked about parts of it, side by
    side, and what it names of all is united.  If that is more than later prompts have room for, the model
    chooses again among them, as long as they become fewer, in up to three rounds.

    Raises:
        InvalidRequestError: the question leaves no room for tables.
        SluiceError: a call failed.
    """
    names = [table.name for table in job.schema.tables]
    linking, bare = job.linking, replace(job.topic, tables=("",))
    room = await linking.room.left(job.prompts.linking(bare), job.options.max_answer_tokens)
    if job.shows_whole or await linking.whole_fits(room):
        prompt = job.prompts.linking(job.topic)
        form = TableNames(tuple(names))
        return Linked.of(await job.ask(steps, stages.SCHEMA_LINKING, prompt, form), wanted)
    if room < _LEAST_TOKENS:
        raise InvalidRequestError(
            f"the question is too long: it leaves {max(0, round(room))} tokens of the model's context to the "
            f"schema, where {_LEAST_TOKENS} are the least; shorten it",
            field="question",
        )
    unasked = job.prompts.linking(replace(bare, question="", hint="", retrieved=""))
    most = await linking.room.left(unasked, job.options.max_answer_tokens)
    linked = Linked([], [], 0)
    for _ in range(_MOST_ROUNDS):
        round_ = await parts(linking.rendered, names, part_tokens(most, room), wanted)
        found = await _named(steps, job, round_)
        chosen = bool(found) and len(found) != len(linked.tables)
        linked = Linked.of(found if chosen else linked.tables, wanted, linked.calls + len(round_))
        needed = await linking.rendered.in_full(linking.needed(linked.names))
        if not chosen or sum(table.tokens for table in needed.values()) <= await _later_room(job):
            break
        if len(found) in (1, len(names)):  # there is nothing to choose
            break
        names = found
    return linked


def part_tokens(most: float, room: float) -> float:
    """Return the tokens of a part, at most ``room``; ``most`` would be without a question.

    It is the same for all questions but long ones: else each would have parts of its own, and share none.
    """
    reserved = _QUESTION_TOKENS
    while most - reserved > room:
        reserved *= 2
    return max(most - reserved, min(room, _LEAST_TOKENS))


async def _later_room(job: Job) -> float:
    """Return the tokens that every later prompt has for tables, but for statements that go on and on."""
    bare = replace(job.topic, tables=("",))
    prompts = [
        *(job.prompts.candidate(style, bare, ()) for style in job.prompts.styles),
        job.prompts.revision(bare, LONG_STATEMENT, LONG_STATEMENT),
    ]
    return min([await job.linking.room.left(prompt, job.sql.max_new_tokens) for prompt in prompts])


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
