"""What can be set about the Text-to-SQL workflow, and what one question's stages need."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from plugins.text2sql.answers import Form
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.linking.linked_schema import LinkedSchema
from plugins.text2sql.profile import Profile
from plugins.text2sql.prompts.layout import Prompts, Topic
from plugins.text2sql.reading.sql_extraction import extract_sql
from sched.workflow import GenerateParams, Generation, Segment, Steps

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text2SqlOptions:
    """``candidates`` per question, ``max_revisions`` rounds per candidate, ``max_unit_tests`` per question.

    The token limits apply to answers that the profile doesn't bound.  A model that thinks may do so before
    SQL, for ``thinking_tokens`` at most; in other stages nothing stands before the answer.
    ``reasoning_parser`` is SGLang's name for how it marks its thinking; without it any marks are looked for.

    An answer has at most ``max_rows`` rows.  So many ``conversations`` are kept, the latest used ones, each
    for ``conversation_seconds`` after its latest question.

    Of a schema that exceeds the context, linking asks about ``linking_parts`` parts at most (0: about all).

    With ``early_ending`` calls that can't change the answer are cancelled or not made: candidates once most
    agree, unit tests of results that don't differ, evaluations once one result has won.  Without it
    every stage runs in full, as published.
    """

    candidates: int = 3
    max_revisions: int = 3
    max_unit_tests: int = 4
    early_ending: bool = True
    max_sql_tokens: int = 512
    max_answer_tokens: int = 256
    thinking_tokens: int = 0
    reasoning_parser: str | None = None
    candidate_temperature: float = 0.7
    revision_temperature: float = 0.5
    schema_shape: Literal["auto", "whole", "linked"] = "auto"
    linking_parts: int = 4
    max_rows: int = 1_000
    conversations: int = 1_000
    conversation_seconds: float = 3_600.0


def statement_params(
    profile: Profile,
    options: Text2SqlOptions,
    schema: DatabaseSchema,
    question: str = "",
    values: Sequence[str] = (),
) -> GenerateParams:
    """Return the sampling of SQL about ``question``; raises as ``Profile.statement``."""
    limit = options.max_sql_tokens + options.thinking_tokens
    params = profile.statement(schema, limit, question, values)
    return replace(params, thinking=options.thinking_tokens > 0)


@dataclass(frozen=True, slots=True)
class Job:
    """A question with what all its stages need.  ``sql`` is the sampling of statements, ``linking`` what all
    questions to the database share of its tables.  Statements are run if they are to ``execute``, else only
    checked."""

    topic: Topic
    schema: DatabaseSchema
    profile: Profile
    options: Text2SqlOptions
    sql: GenerateParams
    linking: LinkedSchema
    execute: bool = True

    @property
    def shows_whole(self) -> bool:
        """Whether every prompt shows the whole schema, whatever it costs."""
        return self.profile.whole_schema or self.options.schema_shape == "whole"

    @property
    def prompts(self) -> Prompts:
        """The prompts of the profile, for the dialect that the model writes."""
        return self.profile.prompts_in(self.schema.dialect)

    def asked(self, question: str, hint: str = "", earlier: str = "", execute: bool = True) -> Job:
        """Return the job of ``question``, with ``hint`` and ``earlier`` turns if the model reads them.

        Question and hint are stripped.
        """
        topic = replace(self.topic, question=question.strip())
        if self.profile.reads_hints:
            topic = replace(topic, hint=hint.strip(), earlier=earlier)
        return replace(self, topic=topic, execute=execute)

    async def ask(self, steps: Steps, stage: str, prompt: Sequence[Segment], form: Form[T]) -> T:
        """Run a call of a structured stage and return what its answer says, cut off or not.

        An answer that says nothing is noted in the timeline.

        Raises:
            SluiceError: the call failed.
        """
        params = self.profile.answer(form, self.options.max_answer_tokens)
        generation = await steps.generate(stage, prompt, params)
        answer = form.of(generation, self.options.reasoning_parser)
        if not form.is_said(answer):
            steps.unreadable(generation)
        return answer

    def about(self, retrieved: str, values: Sequence[str]) -> Job:
        """Return the job once retrieval has found ``values``; ``retrieved`` tells the model of them."""
        sql = statement_params(self.profile, self.options, self.schema, self.topic.question, values)
        return replace(self, topic=replace(self.topic, retrieved=retrieved), sql=sql)

    async def statement(self, generation: Generation) -> str:
        """Return the SQL in what the model wrote; what it thought before is none.

        Possible statements are parsed in a thread, so that other workflows go on.
        """
        return await asyncio.to_thread(
            extract_sql, generation.text, self.schema.dialect, self.options.reasoning_parser
        )

    def sql_at(self, temperature: float) -> GenerateParams:
        """Return the sampling of statements at ``temperature``."""
        sampling: Mapping[str, Any] = {**self.sql.sampling, "temperature": temperature}
        return replace(self.sql, sampling=sampling)
