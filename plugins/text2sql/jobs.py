"""What all questions to a database share, made once; and the check that its prompts have room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plugins.text2sql.conversations import Conversations
from plugins.text2sql.linking.linked_schema import LinkedSchema
from plugins.text2sql.linking.room import Room, TokenCounter
from plugins.text2sql.options import Job, statement_params
from plugins.text2sql.prompts.layout import Topic
from plugins.text2sql.question import QuestionRequest
from plugins.text2sql.request_at_work import RequestAtWork
from plugins.workflow_kind import Resources
from sched.errors import ConfigError
from sched.workflow import Segment, SegmentKind

# Tokens left for a question, what was retrieved, a statement and its error message.
_ROOM_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Remedy:
    """What helps against prompts that are too long, and the option that it is about."""

    text: str
    field: str = "prompt_profile"


FEWER_TABLES = Remedy(
    "show fewer tables (include, exclude in [database_options]) or use a model with a longer context"
)


class Jobs:
    """The jobs by database, without a question, and the ``room`` that the model's context has."""

    def __init__(self, resources: Resources) -> None:
        self.room = Room()
        self._resources = resources
        self._made: dict[str, Job] = {}
        options = resources.options
        self._conversations = Conversations(options.conversations, options.conversation_seconds)

    def of(self, database: str) -> Job:
        """Return the job of ``database``; made anew when its schema is another one (seconds).

        Raises:
            NotFoundError: no such database.
        """
        schema = self._resources.schemas.schema(database)
        known = self._made.get(database)
        if known is not None and known.schema is schema:
            return known
        profile, options = self._resources.profile, self._resources.options
        # What earlier questions needed still holds for the tables that there still are.
        linking = LinkedSchema(schema, self.room, known.linking.order if known else None)
        job = Job(
            topic=Topic(linking.rendered.whole, ""),
            schema=schema,
            profile=profile,
            options=options,
            sql=statement_params(profile, options, schema),
            linking=linking,
        )
        self._made[database] = job
        return job

    def asking(self, request: QuestionRequest, database: str) -> RequestAtWork:
        """Return ``request`` at work on ``database``.

        Raises:
            ConflictError: its conversation is about another database.
            InvalidRequestError: it wants more rows than the server gives.
            NotFoundError: no such database.
        """
        return RequestAtWork(request, database, self.of(database), self._conversations)


async def check_room(
    job: Job,
    database: str,
    longest: Sequence[Sequence[Segment]],
    context_tokens: int,
    count_tokens: TokenCounter,
    remedy: Remedy = FEWER_TABLES,
) -> None:
    """Refuse a profile of which one of the ``longest`` prompts doesn't fit the model.

    Raises:
        ConfigError: names the option and the ``remedy``, or the profile's own.
    """
    prompt_tokens = max([await count_tokens(prompt) for prompt in longest])
    beside = _ROOM_TOKENS + job.sql.max_new_tokens
    needed = prompt_tokens + beside
    if needed <= context_tokens:
        return
    schema_tokens = await count_tokens([Segment(SegmentKind.SCHEMA, job.topic.schema)])
    if remedy == FEWER_TABLES and schema_tokens + beside > context_tokens:  # no profile's prompts would fit
        remedy = Remedy(
            f"its {len(job.schema.tables)} tables and views alone take {schema_tokens}; show fewer of them "
            f"(include, exclude in [database_options.{database}]) or use a model with a longer context"
        )
    elif job.profile.when_too_long:
        remedy = Remedy(job.profile.when_too_long)
    raise ConfigError(
        f"the {job.prompts.name} prompts about database {database!r} need {needed} tokens with the "
        f"answer, but the model's context has {context_tokens}: {remedy.text}",
        field=remedy.field,
    )
