"""Answers as the OpenAPI document describes them.  The routes build them as plain dictionaries."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Base of the answers; more fields may come."""

    model_config = ConfigDict(extra="allow")


class Decision(Answer):
    """Why a call was sent there and then; ``scores`` per runtime, smaller is better."""

    placement: str
    ordering: str
    reason: str
    scores: dict[str, float]
    predicted_cached_tokens: int
    predicted_output_tokens: float
    predicted_seconds: float
    slack_seconds: float
    waited_seconds: float
    key: float


class Scheduling(Answer):
    """What the scheduler did with a call; seconds run from its arrival."""

    workflow_id: str
    stage: str
    runtime: str
    attempts: int
    waited_seconds: float
    ttft_seconds: float | None
    decision: Decision


class MetaInfo(Answer):
    """SGLang's ``meta_info``, and ``sluice``.

    A stream's events before the last have ``finish_reason`` null and neither ``e2e_latency`` (seconds)
    nor ``sluice``.
    """

    id: str
    finish_reason: dict[str, Any] | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None
    e2e_latency: float | None = None
    sluice: Scheduling | None = None


class GenerateAnswer(Answer):
    """SGLang's answer.  In a stream each event holds all of the text and ids so far."""

    text: str
    output_ids: list[int]
    meta_info: MetaInfo


class AbortAnswer(Answer):
    """Whether a call with that ``rid`` was in flight; if so, its own request is answered with 499."""

    rid: str
    found: bool


class Step(Answer):
    """One entry of a timeline: an LLM call (``kind`` ``call``) or an SQL execution (``sql``).

    Seconds: ``ready_at`` runs from the workflow's arrival, the rest are durations.
    """

    kind: Literal["call", "sql"]
    index: int
    stage: str
    branch: int | None
    ready_at: float
    state: str
    total_seconds: float | None
    error: str | None


class SqlAnswer(Answer):
    """The result of a question; ``sql`` is null when no statement ran, ``sql_error`` then says why."""

    status: Literal["ok", "empty", "no_sql_ran"]
    sql: str | None
    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    sql_error: str | None
    candidates: list[dict[str, Any]]


class QuestionAnswer(SqlAnswer):
    """The answer to a question, with all that happened on the way."""

    workflow_id: str
    database: str
    seconds: float
    slo_seconds: float
    deadline_met: bool
    timeline: list[Step]


class WorkflowSummary(Answer):
    """A workflow, running or lately ended.  ``started_at`` is Unix time, the rest are durations (seconds)."""

    workflow_id: str
    kind: str
    tenant: str
    database: str | None
    state: str
    started_at: float
    slo_seconds: float
    seconds: float | None
    deadline_met: bool | None
    calls: int
    error: dict[str, Any] | None


class WorkflowDetail(WorkflowSummary):
    """A workflow with its result and timeline."""

    result: dict[str, Any] | None
    timeline: list[Step]


class WorkflowList(Answer):
    """Workflows, newest first."""

    workflows: list[WorkflowSummary]


class Databases(Answer):
    """The names that a question can ask."""

    databases: list[str]


class Workers(Answer):
    """The runtimes of this server."""

    workers: list[dict[str, Any]]
    total: int


class Health(Answer):
    """The process lives."""

    status: Literal["ok"]
