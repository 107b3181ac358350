"""What a workflow program sees: the only interface between a workflow and the system under it.

A workflow is an async function that takes one :class:`Steps` argument.  The live controller implements
``Steps`` over real runtimes and databases; the simulator over a trace.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class SegmentKind(StrEnum):
    """How widely a part of a prompt is shared, from most to least."""

    TEMPLATE = "template"
    SCHEMA = "schema"
    QUESTION = "question"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a prompt; its end is a token boundary."""

    kind: SegmentKind
    text: str


@dataclass(frozen=True, slots=True)
class PlanStep:
    """How often a stage is expected on the critical path of a workflow (parallel siblings count once)."""

    stage: str
    visits: float


@dataclass(frozen=True, slots=True)
class Generation:
    """The answer of one call.  ``finish_reason`` is ``"stop"``, ``"length"`` (truncated) or SGLang's word.

    ``index`` is the call's place in the workflow's timeline.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    index: int = 0

    @property
    def truncated(self) -> bool:
        """Whether the token limit ended the output before the model did."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class SqlResult:
    """The outcome of one SQL statement.

    ``error`` is ``None`` on success; otherwise the database's or the safety check's message, and
    ``error_kind`` one of ``"rejected"`` (not exactly one SELECT), ``"invalid"`` (the database
    refused it), ``"timeout"``, ``"unavailable"``.  ``truncated`` says that a row or byte limit cut the rows.
    """

    statement: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    truncated: bool = False
    seconds: float = 0.0
    error: str | None = None
    error_kind: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the statement ran."""
        return self.error is None


class SqlBackend(Protocol):
    """Runs read-only SQL; implemented over real databases by ``plugins/text2sql``."""

    async def execute(
        self, database: str, statement: str, timeout_seconds: float, *, slack_seconds: float = math.inf
    ) -> SqlResult:
        """Run ``statement``; never raises for a bad statement, only for an unknown database.

        Where more statements wait than may run, the one with the least ``slack_seconds`` left goes first.

        Raises:
            NotFoundError: ``database`` is not registered.
        """
        ...


@dataclass(frozen=True, slots=True)
class GenerateParams:
    """Sampling of one call.  ``sampling`` holds SGLang's sampling parameters by SGLang's names.

    ``thinking`` says that the model may think before its answer, where it can; both count as new tokens.
    """

    max_new_tokens: int
    sampling: Mapping[str, Any] = field(default_factory=dict)
    thinking: bool = False


class PromptSeconds(NamedTuple):
    """What a prompt is expected to cost a call on the runtime best for it: prefilling its uncached tokens,
    and reading its KV for every token of the answer.

    ``now``: as things are; ``warm``: once its beginning (template and schema) is cached.  Both are infinite
    where the prompt fits no context.
    """

    now: float
    warm: float


class Steps(Protocol):
    """The operations of a workflow program; every wait inside is bounded by a timeout."""

    @property
    def database(self) -> str | None:
        """The database the workflow asks, if any."""
        ...

    def remaining_seconds(self) -> float:
        """Seconds until the workflow's deadline; negative once it has passed."""
        ...

    def candidates_advised(self, wanted: int) -> int:
        """How many of ``wanted`` alternative answers to write, from 1 to ``wanted``: fewer under overload."""
        ...

    async def prompt_seconds(self, stage: str, prompts: Sequence[Sequence[Segment]]) -> list[PromptSeconds]:
        """Return what each prompt of ``stage`` would cost; nothing is run."""
        ...

    async def generate(self, stage: str, segments: Sequence[Segment], params: GenerateParams) -> Generation:
        """Run one LLM call.

        Raises:
            SluiceError: the call was rejected, failed, timed out or was cancelled.
        """
        ...

    def unreadable(self, generation: Generation) -> None:
        """Note in the timeline that a call's answer says nothing that the program can use."""
        ...

    async def sql(self, stage: str, statement: str) -> SqlResult:
        """Run one SQL statement on the workflow's database; a bad statement is a result, not an exception."""
        ...

    async def fan_out(
        self,
        branches: Sequence[Callable[[Steps], Awaitable[T]]],
        enough: Callable[[Sequence[T]], bool] | None = None,
    ) -> list[T]:
        """Run ``branches`` as siblings of one join and return their results in branch order.

        Each branch gets a ``Steps`` of its own.  When ``enough(results so far)`` holds, the rest is
        cancelled on every runtime and left out.  If a branch raises, its siblings are cancelled and
        the exception is raised.
        """
        ...


WorkflowProgram = Callable[[Steps], Awaitable[Any]]
