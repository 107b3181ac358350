"""What a question to a database says, and what its answer has."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from plugins.workflow_kind import WorkflowRequest
from sched.errors import InvalidRequestError


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

    @model_validator(mode="after")
    def _something_asked(self) -> Self:
        if not self.question.strip():
            raise InvalidRequestError("the question is empty", field="question")
        return self


class SqlAnswer(BaseModel):
    """The result of a question; ``sql`` is null when no statement ran, ``sql_error`` then says why.

    ``reason`` says why an empty result stands.
    """

    model_config = ConfigDict(extra="allow")

    status: Literal["ok", "empty", "no_sql_ran"]
    sql: str | None
    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    sql_error: str | None
    reason: str | None = None
    candidates: list[dict[str, Any]]
