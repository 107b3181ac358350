"""What a server answers, typed.  More fields may come; they are kept."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Received(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class TimelineStep(_Received):
    """An LLM call (``kind`` ``call``) or an SQL statement (``sql``); seconds as in the API's ``Step``."""

    kind: Literal["call", "sql"]
    index: int
    stage: str
    branch: int | None = None
    ready_at: float
    state: str
    total_seconds: float | None = None
    error: str | None = None
    attempts: int = 1


class QuestionReply(_Received):
    """The answer to a question, as ``POST /v1/text2sql`` has it.

    What the server's kind of workflow doesn't have keeps its default.
    """

    status: str = ""
    sql: str | None = None
    columns: list[str] = Field(default_factory=list)
    rows: list[list[Any]] = Field(default_factory=list)
    truncated: bool = False
    sql_error: str | None = None
    reason: str | None = None
    candidates: list[dict[str, Any]] = Field(default_factory=list)
    conversation_id: str | None = None
    conversation_turns: int = 0
    explanation: dict[str, Any] | None = None
    workflow_id: str
    database: str
    seconds: float
    slo_seconds: float
    deadline_met: bool
    timeline: list[TimelineStep]


class WorkflowBegun(_Received):
    """The first event of a question: it was accepted."""

    workflow_id: str
    database: str
    slo_seconds: float


class StepChanged(_Received):
    """An entry of the timeline that is new, or has changed."""

    step: TimelineStep


class QuestionAnswered(_Received):
    """The last event of a question."""

    answer: QuestionReply


QuestionEvent = WorkflowBegun | StepChanged | QuestionAnswered


class DatabaseFacts(_Received):
    """A database of the server; one that is ``unavailable`` can't be asked, for the ``reason`` given."""

    name: str
    kind: str
    state: str
    reason: str | None = None
    warnings: list[str] = Field(default_factory=list)


class DatabaseList(_Received):
    """``databases`` can be asked; ``details`` has all."""

    databases: list[str]
    details: list[DatabaseFacts]


class ColumnFacts(_Received):
    """A column with its declared type."""

    name: str
    type: str
    nullable: bool
    primary_key: bool
    description: str = ""


class ForeignKeyFacts(_Received):
    """``columns`` refer to ``target_columns`` of the table ``target``."""

    columns: list[str]
    target: str
    target_columns: list[str]


class TableFacts(_Received):
    """A table or view; ``row_count`` is ``None`` where it isn't known."""

    name: str
    view: bool
    description: str = ""
    row_count: int | None = None
    columns_total: int
    columns: list[ColumnFacts]
    foreign_keys: list[ForeignKeyFacts]


class SchemaFacts(_Received):
    """A page of a database's tables, of ``tables_total``."""

    name: str
    kind: str
    dialect: str
    tables_total: int
    tables: list[TableFacts]


class WorkflowState(_Received):
    """A workflow, running or ended; of one that is shown by its id there is the timeline, too."""

    workflow_id: str
    kind: str
    state: str
    database: str | None = None
    seconds: float | None = None
    deadline_met: bool | None = None
    error: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    timeline: list[TimelineStep] = Field(default_factory=list)
