"""What a question to a database says, and what its answer has."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from plugins.workflow_kind import WorkflowRequest
from sched.errors import InvalidRequestError


class EarlierQuestion(BaseModel):
    """A question that was asked before, and its SQL if there was any."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    question: Annotated[str, Field(min_length=1, max_length=10_000)]
    sql: Annotated[str, Field(max_length=20_000)] = ""


class QuestionRequest(WorkflowRequest):
    """A question.  The server's ``candidates`` hold where it names no number."""

    question: Annotated[str, Field(max_length=10_000, examples=["How many customers live in Berlin?"])]
    evidence: Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000)] = Field(
        "",
        description="What the words of the question mean or how something is computed, in your words; the "
        "model reads it as a hint.",
        examples=["revenue refers to the sum of quantity * unit price"],
    )
    candidates: int | None = Field(None, ge=1, le=8, description="How many candidates compete.")
    conversation_id: (
        Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:@-]+$")] | None
    ) = Field(
        None,
        description="The conversation that the question goes on with: one that an earlier answer named, or a "
        "new one by a name of your own. It belongs to one database.",
    )
    earlier: Annotated[list[EarlierQuestion], Field(max_length=100)] | None = Field(
        None,
        description="The conversation so far, oldest first, where the client keeps it itself instead of "
        "giving a conversation_id; the latest five count.",
    )
    execute: bool = Field(
        True, description="With false the SQL is written and checked, not run: the answer has no rows."
    )
    max_rows: int | None = Field(
        None, ge=1, description="Rows of the answer; at most, and by default, the server's limit."
    )
    explain: bool = Field(False, description="Say in `explanation` what was used of the database, and why.")

    @model_validator(mode="after")
    def _something_asked(self) -> Self:
        if not self.question.strip():
            raise InvalidRequestError("the question is empty", field="question")
        if self.earlier is not None and self.conversation_id is not None:
            raise InvalidRequestError(
                "earlier and conversation_id exclude each other: give one", field="earlier"
            )
        return self


class SqlAnswer(BaseModel):
    """The result of a question; ``sql`` is null when no statement ran, ``sql_error`` then says why.

    ``status``: ``ok``; ``empty`` (no rows); ``no_sql_ran``; ``not_run`` (as ``execute`` false asks: the SQL
    was checked only); ``not_understood`` (the question speaks of nothing in the database, and the candidates
    agree on nothing).  ``reason`` says why the last stands, or an empty result.  ``truncated``: there are
    more rows.  ``conversation_id`` takes the next question, unless the model reads nothing before a question;
    ``conversation_turns`` earlier ones stood in the prompts.
    """

    model_config = ConfigDict(extra="allow")

    status: Literal["ok", "empty", "no_sql_ran", "not_run", "not_understood"]
    sql: str | None
    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    sql_error: str | None
    reason: str | None = None
    candidates: list[dict[str, Any]]
    conversation_id: str | None = None
    conversation_turns: int = 0
    explanation: dict[str, Any] | None = None
