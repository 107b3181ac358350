"""Answers as the OpenAPI document describes them.  The routes build them as plain dictionaries."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Logprob = tuple[float | None, int, str | None]


class AnswerModel(BaseModel):
    """Base of the answers; more fields may come."""

    model_config = ConfigDict(extra="allow")


class DecisionAnswer(AnswerModel):
    """Why a call was sent there and then; ``scores`` per runtime, smaller is better.

    ``null`` stands for a number that is not finite, as a score where a deadline is none to speak of.
    """

    placement: str
    ordering: str
    reason: str
    scores: dict[str, float | None]
    predicted_cached_tokens: int
    predicted_output_tokens: float
    predicted_seconds: float | None
    slack_seconds: float | None
    waited_seconds: float
    key: float | None
    priority: int


class Scheduling(AnswerModel):
    """What the scheduler did with a call; seconds run from its arrival."""

    workflow_id: str
    stage: str
    runtime: str
    attempts: int
    waited_seconds: float
    ttft_seconds: float | None
    decision: DecisionAnswer | None


class MetaInfo(AnswerModel):
    """SGLang's ``meta_info``, and ``sluice``.

    The lists of log probabilities, there where they were asked for, hold SGLang's triples: log probability
    (``null`` for a prompt's first token), token id, and text (``null`` without ``return_text_in_logprobs``).

    A stream's events before the last have ``finish_reason`` null and neither ``e2e_latency`` (seconds)
    nor ``sluice``.
    """

    id: str
    finish_reason: dict[str, Any] | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None
    e2e_latency: float | None = None
    input_token_logprobs: list[Logprob] | None = None
    output_token_logprobs: list[Logprob] | None = None
    output_token_logprobs_length: int | None = None
    input_top_logprobs: list[list[Logprob] | None] | None = None
    output_top_logprobs: list[list[Logprob] | None] | None = None
    input_token_ids_logprobs: list[list[Logprob] | None] | None = None
    output_token_ids_logprobs: list[list[Logprob] | None] | None = None
    sluice: Scheduling | None = None


class GenerateAnswer(AnswerModel):
    """SGLang's answer.  In a stream each event holds all of the text and ids so far.

    ``index``: which call of a batch it is; only in a stream.
    """

    text: str
    output_ids: list[int]
    meta_info: MetaInfo
    index: int | None = None


class Tokens(AnswerModel):
    """Token ids, and how many: of one prompt, or of each of a list."""

    tokens: list[int] | list[list[int]]
    count: int | list[int]
    max_model_len: int | None


class Text(AnswerModel):
    """The text of token ids, or the texts of lists of them."""

    text: str | list[str]


class VersionAnswer(AnswerModel):
    """Sluice's version; that of the runtimes' SGLang is in ``/server_info``."""

    version: str


class AbortAnswer(AnswerModel):
    """Whether a call was in flight, and how many were aborted; their own requests are answered with 499."""

    rid: str | None
    found: bool
    aborted: int


class Step(AnswerModel):
    """One entry of a timeline: an LLM call (``kind`` ``call``) or an SQL execution (``sql``).

    ``unreadable``: the workflow could make nothing of a call's answer.  ``output``: what the model wrote,
    with ``include_outputs``.  Seconds: ``ready_at`` runs from the workflow's arrival, the rest are durations.
    """

    kind: Literal["call", "sql"]
    index: int
    stage: str
    branch: int | None
    ready_at: float
    state: str
    total_seconds: float | None
    error: str | None
    unreadable: bool = False
    output: str | None = None


class WorkflowFacts(AnswerModel):
    """What every answer says beside the result: all that happened on the way."""

    workflow_id: str
    database: str
    seconds: float
    slo_seconds: float
    deadline_met: bool
    timeline: list[Step]


class WorkflowSummary(AnswerModel):
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


class EarlierStepsAnswer(AnswerModel):
    """The sum of a workflow's oldest steps of a kind and stage, ``unfinished`` ones (failed or cancelled)
    included."""

    kind: Literal["call", "sql"]
    stage: str
    steps: int
    unfinished: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    total_seconds: float


class WorkflowDetail(WorkflowSummary):
    """A workflow with its result and timeline.

    ``plan`` has the expected visits of each stage on the critical path, where parallel calls count once; it
    is empty where they are learned.  ``timeline`` has the latest steps of a long workflow, ``earlier`` sums
    up the others.  ``result_omitted``: the result was too large to be kept.
    """

    plan: dict[str, float]
    result: dict[str, Any] | None
    result_omitted: bool
    earlier: list[EarlierStepsAnswer]
    timeline: list[Step]


class WorkflowList(AnswerModel):
    """Workflows, newest first."""

    workflows: list[WorkflowSummary]


class Workers(AnswerModel):
    """The runtimes of this server."""

    workers: list[dict[str, Any]]
    total: int


class Health(AnswerModel):
    """The process lives."""

    status: Literal["ok"]


class JournalHealth(AnswerModel):
    """The journal can't be written, for this ``reason``; what must be in it waits."""

    state: Literal["failing"]
    reason: str


class Readiness(Health):
    """New work is taken; the server is ``degraded`` if runtimes are ``missing``, which don't serve.

    ``journal`` is there only while it can't be written.
    """

    degraded: bool
    missing: list[str]
    journal: JournalHealth | None = None


class RuntimeHealth(Health):
    """Every runtime generates; ``runtimes`` tells by name in how many ``seconds`` each did."""

    runtimes: dict[str, dict[str, Any]]


class LoadAnswer(AnswerModel):
    """The load of a runtime; ``num_reqs`` includes the waiting ones."""

    dp_rank: int
    runtime: str
    num_reqs: int
    num_waiting_reqs: int
    num_tokens: int


class Loads(AnswerModel):
    """The runtimes' loads, each with SGLang's fields, ``runtime`` and ``num_held_reqs``.

    The latter are the calls placed there and held back in the controller.
    """

    timestamp: str
    version: str | None
    accelerator: str | None
    loads: list[dict[str, Any]]


class ModelInfo(AnswerModel):
    """The model under SGLang's names."""

    model_path: str
    is_generation: bool


class ServerInfo(ModelInfo):
    """SGLang's resolved arguments, and the runtimes' states."""

    version: str | None
    max_total_num_tokens: int
    internal_states: list[dict[str, Any]]
    workers: list[dict[str, Any]]
