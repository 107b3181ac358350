"""A candidate: SQL in one style, run on the database and written again until it returns rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from plugins.text2sql import stages
from plugins.text2sql.options import Job
from plugins.text2sql.reading.sql_extraction import extract_sql
from plugins.text2sql.selection import Candidate
from sched.workflow import Generation, SqlResult, Steps

_OTHER_TEMPERATURE = 0.7
# Of what is only doubtful one candidate tries the best guess; the others and later rounds look ever farther.
_DOUBTED_TEMPERATURES = (0.0, 0.7, 1.0)
_DOUBTED_ROUNDS = len(_DOUBTED_TEMPERATURES)
REVISION_TEMPERATURE = 0.5


def candidate_branch(job: Job, tables: Sequence[str], index: int) -> Callable[[Steps], Awaitable[Candidate]]:
    """Return the branch of candidate ``index``; the styles alternate.

    It ends when the SQL runs, returns rows and nothing speaks against it, or after ``max_revisions`` rounds;
    what is only doubtful has a few.
    """
    styles = job.prompts.styles
    style = styles[index % len(styles)]
    # The first candidate of each style is the model's best guess, the others look around it.
    temperature = 0.0 if index < len(styles) else _OTHER_TEMPERATURE

    async def run(steps: Steps) -> Candidate:
        prompt = job.prompts.candidate(style, job.topic, tables)
        generation = await steps.generate(stages.GENERATE_CANDIDATE, prompt, job.sql_at(temperature))
        result = await run_statement(steps, job, generation)
        candidate = Candidate(index, style.name, 0, result, job.doubt(result))
        for round_ in range(1, job.profile.revisions(job.options.max_revisions) + 1):
            if candidate.settled or (candidate.has_rows and round_ > _DOUBTED_ROUNDS):
                break
            prompt = job.prompts.revision(job.topic, candidate.result.statement, candidate.complaint)
            doubted = _DOUBTED_TEMPERATURES[min(index + round_, _DOUBTED_ROUNDS) - 1]
            sql = job.sql_at(doubted if candidate.has_rows else REVISION_TEMPERATURE)
            generation = await steps.generate(stages.REVISE, prompt, sql)
            result = await run_statement(steps, job, generation)
            candidate = candidate.revised(round_, result, job.doubt(result))
        return candidate

    return run


async def run_statement(steps: Steps, job: Job, generation: Generation) -> SqlResult:
    """Run the SQL that the model wrote, unless it was cut off; that is a rejected result."""
    statement = extract_sql(generation.text, job.schema.dialect)
    if generation.truncated:
        message = f"the statement was cut off after {generation.output_tokens} tokens"
        return SqlResult(statement, error=message, error_kind="rejected")
    return await steps.sql(stages.EXECUTE, statement)
