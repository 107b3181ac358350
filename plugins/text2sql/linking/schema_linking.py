"""Schema linking: the model names the tables that a question needs, of a large database part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from plugins.text2sql import stages
from plugins.text2sql.answers import MAX_TABLES, TableNames
from plugins.text2sql.linking.linking_calls import Answers, Lost, answered, ask_parts, linking_seconds
from plugins.text2sql.linking.relevance import ranked
from plugins.text2sql.linking.schema_parts import beginning, parts
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

    None: the model named none, so all may be needed.  ``notes`` say what the user should know about it.
    """

    tables: list[str]
    valued: list[str]
    calls: int = 1
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The tables that the question needs, without those that join them."""
        return [*self.tables, *self.valued]

    @classmethod
    def of(cls, tables: list[str], wanted: Wanted, calls: int = 1, notes: tuple[str, ...] = ()) -> Linked:
        """Return what follows when the model has named ``tables``."""
        return cls(tables, wanted.named(tables) if tables else [], calls, notes)


async def link(steps: Steps, job: Job, wanted: Wanted) -> Linked:
    """Return the tables that the model links to the question.

    It sees the whole schema where that fits its context.  Otherwise it is asked about parts of it, side by
    side, and what it names of all is united: about as many parts as the options allow, of the tables that the
    question speaks of most; where it tells no tables apart, of all, with fewer columns.  If that is more than
    later prompts have room for, the model chooses again among them, as long as they become fewer, in up to
    three rounds.

    It takes at most half of the time until the deadline.  Of parts that the model says nothing of, for lack
    of time or since a call failed, those tables are taken that the question speaks of most.  Where it was to
    see the whole schema, all may be needed.

    Raises:
        InvalidRequestError: the question leaves no room for tables.
        SluiceError: what concerns the whole question.
    """
    linking, bare = job.linking, replace(job.topic, tables=("",))
    room = await linking.room.left(job.prompts.linking(bare), job.options.max_answer_tokens)
    if job.shows_whole or await linking.whole_fits(room):
        return await _of_whole(steps, job, wanted)
    if room < _LEAST_TOKENS:
        raise InvalidRequestError(
            f"the question is too long: it leaves {max(0, round(room))} tokens of the model's context to the "
            f"schema, where {_LEAST_TOKENS} are the least; shorten it",
            field="question",
        )
    unasked = job.prompts.linking(replace(bare, question="", hint="", retrieved=""))
    most = await linking.room.left(unasked, job.options.max_answer_tokens)
    # The names of thousands of columns are taken apart for the first question.
    said = await asyncio.to_thread(linking.relevance.spoken_of, wanted)
    scores = linking.relevance.scores(said)
    tokens, most_parts = part_tokens(most, room), job.options.linking_parts
    names, each = await beginning(linking.rendered, scores, tokens, most_parts)
    unseen = len(job.schema.tables) - len(names)
    linked = Linked([], [], 0, (_unseen_note(unseen, most_parts),) if unseen else ())
    for _ in range(_MOST_ROUNDS):
        asked = await parts(linking.rendered, names, tokens, wanted, each)
        answers = await ask_parts(steps, job, asked, scores)
        linked = replace(linked, calls=linked.calls + answers.calls)
        if linked.tables and answers.lost:
            note = f"schema linking didn't choose again among {len(names)} tables: {_reasons(answers)}"
            return replace(linked, notes=(*linked.notes, note))
        spoken_of = ranked([name for name in answers.lost if said[name]], said)[:MAX_TABLES]
        found = answers.named + spoken_of
        chosen = bool(found) and len(found) != len(linked.tables)
        notes = (*linked.notes, *_notes(answers, spoken_of))
        linked = Linked.of(found if chosen else linked.tables, wanted, linked.calls, notes)
        needed = await linking.rendered.in_full(linking.needed(linked.names))
        if not chosen or sum(table.tokens for table in needed.values()) <= await _later_room(job):
            break
        if len(found) in (1, len(names)):  # there is nothing to choose
            break
        names, each = found, None
    return linked


async def _of_whole(steps: Steps, job: Job, wanted: Wanted) -> Linked:
    """Return the tables that the model names of the whole schema."""
    form = TableNames(tuple(table.name for table in job.schema.tables))
    prompt = job.prompts.linking(job.topic)
    seconds = linking_seconds(steps)
    tables = await answered(seconds, lambda: job.ask(steps, stages.SCHEMA_LINKING, prompt, form))
    if isinstance(tables, Lost):
        return Linked([], [], int(seconds > 0), (f"schema linking named no tables: {tables.reason}",))
    return Linked.of(tables, wanted)


def _unseen_note(unseen: int, most_parts: int) -> str:
    return (
        f"{unseen} tables were not shown to schema linking, since the question speaks of others more "
        f"(--linking-parts {most_parts})"
    )


def _notes(answers: Answers, spoken_of: Sequence[str]) -> list[str]:
    """Return what the user should know of the parts that the model said nothing of."""
    if not answers.lost:
        return []
    names = ", ".join(spoken_of) or "none"
    return [
        f"schema linking says nothing of {len(answers.lost)} tables ({_reasons(answers)}); "
        f"chosen of them by the question's words: {names}"
    ]


def _reasons(answers: Answers) -> str:
    return "; ".join(answers.reasons)


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
