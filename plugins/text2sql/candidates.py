"""A candidate: SQL in one style, run on the database and written again until it returns rows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from plugins.text2sql import stages
from plugins.text2sql.checked_statement import checked_statement
from plugins.text2sql.databases.safety import has_select
from plugins.text2sql.databases.translation.translated_statement import translated
from plugins.text2sql.linking.shown_schema import ShownSchema, tables_in
from plugins.text2sql.options import Job
from plugins.text2sql.prompts.layout import Style, Topic
from plugins.text2sql.selection import Candidate, complaint, decided
from sched.errors import CALL_FAILURES
from sched.workflow import GenerateParams, Generation, Segment, SqlResult, Steps

_SHOWN_ATTEMPTS = 2
"""Earlier statements that a revision's prompt shows."""


async def write_candidates(steps: Steps, job: Job, shown: ShownSchema, count: int) -> list[Candidate]:
    """Return up to ``count`` candidates, written side by side.

    With early ending, those that are still being written are cancelled once most have decided, and from the
    deadline on as soon as one has rows.  Without any that has, the answer is late.

    Raises:
        SluiceError: what concerns the whole question.
    """
    branches = [candidate_branch(job, shown, index) for index in range(count)]
    if not job.options.early_ending:
        return await steps.fan_out(branches)
    done: list[Candidate] = []
    late = False

    def enough(results: Sequence[Candidate]) -> bool:
        done[:] = results
        return decided(done, count) or (late and _have_come(done))

    writing = asyncio.ensure_future(steps.fan_out(branches, enough))
    try:
        await asyncio.wait({writing}, timeout=max(0.0, steps.remaining_seconds()))
        late = True
        # Each call is bounded by its time limit.
        return done if not writing.done() and _have_come(done) else await writing
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


def _have_come(candidates: Sequence[Candidate]) -> bool:
    return any(candidate.has_rows or (candidate.settled and not candidate.ran) for candidate in candidates)


def candidate_branch(job: Job, shown: ShownSchema, index: int) -> Callable[[Steps], Awaitable[Candidate]]:
    """Return the branch of candidate ``index``; the styles alternate.

    It ends when the SQL runs and returns rows, after ``max_revisions`` rounds, when the deadline leaves no
    time for another one, or when two answers in a row go on and on or hold no SELECT: so would the next, at
    the full price of a call.  A statement that was tried is not run again.  Where the call of a revision
    fails, or isn't answered by the deadline, what came before it stands.
    """
    styles = job.prompts.styles
    style = styles[index % len(styles)]
    # The first candidate of each style is the model's best guess, the others look around it.
    temperature = 0.0 if index < len(styles) else job.options.candidate_temperature

    async def run(steps: Steps) -> Candidate:
        prompt = await _first_prompt(steps, job, shown, style)
        began = steps.remaining_seconds()
        candidate = await first_attempt(steps, job, prompt, job.sql_at(temperature), index, style)
        tried, hopeless = Attempts(), candidate.hopeless
        for round_ in range(1, job.profile.revisions(job.options.max_revisions) + 1):
            if candidate.settled or candidate.failure:
                break
            left = steps.remaining_seconds()
            if left < began - left:  # another round would take as long as this one did
                break
            began = left
            tried.add(candidate.statement, candidate.complaint)
            prompt = await _revision_prompt(steps, job, shown, candidate, tried)
            sql = job.sql_at(job.options.revision_temperature)
            try:
                async with asyncio.timeout(left):
                    generation = await steps.generate(stages.REVISE, prompt, sql)
            except (*CALL_FAILURES, TimeoutError):
                break
            statement = await job.statement(generation)
            candidate = replace(candidate, wrote_sql=candidate.wrote_sql or has_select(statement))
            before, hopeless = hopeless, is_hopeless(generation, statement)
            if generation.truncated or not tried.has(statement):
                result = await run_statement(steps, job, generation, statement)
                tried.add(statement, complaint(result))
                candidate = candidate.revised(round_, result, job.schema.dialect.name, statement)
            else:
                candidate = replace(candidate, rounds=round_)
            if before and hopeless:
                break
        return candidate

    return run


async def _first_prompt(steps: Steps, job: Job, shown: ShownSchema, style: Style) -> Sequence[Segment]:
    def build(topic: Topic) -> Sequence[Segment]:
        return job.prompts.candidate(style, topic, shown.relevant)

    answer_tokens = job.sql.max_new_tokens
    return build(await shown.topic(steps, stages.GENERATE_CANDIDATE, build, answer_tokens, style=style.name))


async def _revision_prompt(
    steps: Steps, job: Job, shown: ShownSchema, candidate: Candidate, tried: Attempts
) -> Sequence[Segment]:
    statement = candidate.statement

    def build(topic: Topic) -> Sequence[Segment]:
        return job.prompts.revision(topic, statement, candidate.complaint, tried.before_last())

    # A table that linking left out and the statement names is shown, too.
    tables = [*shown.linked.names, *tables_in(job.schema, statement)] if shown.linked.names else []
    return build(await shown.topic(steps, stages.REVISE, build, job.sql.max_new_tokens, tables))


class Attempts:
    """The statements of a candidate that were tried, with what was wrong with each; the latest last."""

    def __init__(self) -> None:
        self._complaints: dict[str, tuple[str, str]] = {}

    def add(self, statement: str, complaint: str) -> None:
        """Add one that was run or refused; one that is there becomes the latest."""
        key = _normal(statement)
        self._complaints.pop(key, None)
        self._complaints[key] = statement, complaint

    def has(self, statement: str) -> bool:
        """Return whether ``statement`` was tried, whatever its spaces."""
        return _normal(statement) in self._complaints

    def before_last(self) -> list[tuple[str, str]]:
        """Return the few before the latest one."""
        return list(self._complaints.values())[-1 - _SHOWN_ATTEMPTS : -1]


def _normal(statement: str) -> str:
    return " ".join(statement.split()).rstrip("; ")


async def first_attempt(
    steps: Steps, job: Job, prompt: Sequence[Segment], sql: GenerateParams, index: int, style: Style
) -> Candidate:
    """Return candidate ``index`` as it was first written and run; its ``failure`` if the call failed."""
    try:
        generation = await steps.generate(stages.GENERATE_CANDIDATE, prompt, sql)
    except CALL_FAILURES as error:
        unwritten = SqlResult("", error=f"the model's call failed: {error.message}", error_kind="unavailable")
        return Candidate(index, style.name, 0, unwritten, failure=error, wrote_sql=False)
    statement = await job.statement(generation)
    result = await run_statement(steps, job, generation, statement)
    hopeless = is_hopeless(generation, statement)
    wrote_sql = has_select(statement)
    return Candidate(index, style.name, 0, result, written=statement, hopeless=hopeless, wrote_sql=wrote_sql)


def is_hopeless(generation: Generation, statement: str) -> bool:
    """Return whether an answer, in which ``statement`` was found, was cut off or holds no SELECT."""
    return generation.truncated or not has_select(statement)


async def run_statement(
    steps: Steps, job: Job, generation: Generation, statement: str | None = None
) -> SqlResult:
    """Run the SQL that the model wrote, in the database's dialect, or check it if it isn't to run.

    SQL that was cut off is a rejected result.

    ``statement`` is ``job.statement(generation)`` where it was read before.
    """
    statement = await job.statement(generation) if statement is None else statement
    if generation.truncated:
        what = "the statement" if has_select(statement) else "an answer without SELECT"
        message = f"{what} was cut off after {generation.output_tokens} tokens"
        return SqlResult(statement, error=message, error_kind="rejected")
    if job.schema.runs_as is not None:
        # It takes some milliseconds, in which other workflows go on.
        statement = await asyncio.to_thread(translated, statement, job.schema)
    if not job.execute:
        return await asyncio.to_thread(checked_statement, statement, job.schema)
    return await steps.sql(stages.EXECUTE, statement)
