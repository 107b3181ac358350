"""Workflow traces: one JSON object per line, documented in ``traces/README.md``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from sched.errors import ConfigError
from sched.workflow import SegmentKind

FORMAT = "sluice-trace-1"

T = TypeVar("T", bound=BaseModel)

_Tokens = Annotated[int, Field(ge=1)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1)]


class TraceSegment(NamedTuple):
    """A part of a prompt: the first ``tokens`` of a text known as ``shared``.

    Templates and schemas share across the trace, questions and contexts within their workflow;
    ``shared`` is ``None`` for text that occurs once.
    """

    kind: SegmentKind
    shared: _Name | None
    tokens: _Tokens


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TraceHeader(_Line):
    """The first line: ``format`` and where the trace is from.

    ``began``: the Unix time at which arrivals are 0, in a recorded trace.
    """

    format: str
    source: str
    began: float | None = None


class TraceCall(_Line):
    """One call.  ``after`` names the calls of the workflow, listed before, that must have ended.

    ``output`` and ``max_new_tokens`` are tokens (0: the output's length), ``sql`` the seconds of SQL that
    follow the call and belong to it.  Calls with the same ``join`` are siblings, those of one ``branch``
    follow one another.  ``texts``: the segments' text, where a recording was asked to keep it.
    """

    id: Annotated[int, Field(ge=0)]
    stage: _Name
    after: tuple[int, ...] = ()
    segments: Annotated[tuple[TraceSegment, ...], Field(min_length=1)]
    output: _Tokens
    max_new_tokens: Annotated[int, Field(ge=0)] = 0
    sql: _Seconds = 0.0
    join: _Name | None = None
    branch: Annotated[int, Field(ge=0)] = 0
    texts: tuple[str, ...] = ()

    _prompt_tokens: int = PrivateAttr(0)

    def model_post_init(self, _context: Any) -> None:
        """Sum the prompt up once."""
        self._prompt_tokens = sum(segment.tokens for segment in self.segments)

    @property
    def prompt_tokens(self) -> int:
        """Length of the prompt in tokens."""
        return self._prompt_tokens

    @property
    def limit_tokens(self) -> int:
        """The call's ``max_new_tokens``."""
        return self.max_new_tokens or self.output


class TraceWorkflow(_Line):
    """One workflow.  ``arrival``: seconds since the trace began.  ``slo_seconds``: its deadline, if recorded.

    ``decided``: per join the number of ended branches after which the others are not needed.
    """

    id: _Name
    arrival: _Seconds
    kind: _Name = "text2sql"
    tenant: _Name = "default"
    database: _Name | None = None
    slo_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    decided: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    calls: Annotated[tuple[TraceCall, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> TraceWorkflow:
        seen = set[int]()
        for place, call in enumerate(self.calls):
            if call.id in seen:
                raise ValueError(f"calls[{place}].id: {call.id} is used twice")
            unknown = next((i for i in call.after if i not in seen), None)
            if unknown is not None:
                raise ValueError(f"calls[{place}].after: {unknown} is no call listed before this one")
            if 0 < call.max_new_tokens < call.output:
                raise ValueError(f"calls[{place}].output: is longer than its max_new_tokens")
            if call.texts and len(call.texts) != len(call.segments):
                raise ValueError(f"calls[{place}].texts: there must be one for each segment, or none")
            seen.add(call.id)
        joins = {call.join for call in self.calls}
        undefined = next((join for join in self.decided if join not in joins), None)
        if undefined is not None:
            raise ValueError(f"decided: no call has the join {undefined!r}")
        return self

    def branches(self, join: str) -> int:
        """Return the number of branches of ``join``."""
        return len({call.branch for call in self.calls if call.join == join})


def read_trace(path: Path) -> list[TraceWorkflow]:
    """Return the workflows of a trace file, in order.

    Raises:
        ConfigError: the file can't be read or a line is wrong; the message names the line and the field.
    """
    workflows, ids = [], set[str]()
    for number, line in _lines(path):
        where = f"{path} line {number}"
        if number == 1:
            _check_header(line, where)
            continue
        workflow = _parse(TraceWorkflow, line, where)
        if workflow.id in ids:
            raise ConfigError(f"{where}: id: {workflow.id!r} is used twice", field="id")
        ids.add(workflow.id)
        workflows.append(workflow)
    if not workflows:
        raise ConfigError(f"{path}: no workflow in it", field="trace")
    return workflows


def write_trace(path: Path, source: str, workflows: Iterable[TraceWorkflow]) -> int:
    """Write ``workflows`` with a header that names their ``source``; return their number."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(line_of(TraceHeader(format=FORMAT, source=source)))
        for workflow in workflows:
            file.write(line_of(workflow))
            count += 1
    return count


def line_of(entry: TraceHeader | TraceWorkflow) -> str:
    """Return a line of a trace file; what is at its default is left out."""
    return entry.model_dump_json(exclude_defaults=True) + "\n"


def read_header(path: Path) -> TraceHeader:
    """Return a trace's header.

    Raises:
        ConfigError: the file can't be read or has no header.
    """
    number, line = next(_lines(path), (1, ""))
    return _check_header(line, f"{path} line {number}")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip() or number == 1:
                    yield number, line
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"the trace {path} can't be read: {reason}", field="trace") from error


def _check_header(line: str, where: str) -> TraceHeader:
    header = _parse(TraceHeader, line, where)
    if header.format != FORMAT:
        message = f"{where}: format: {header.format!r} is unknown, this version reads {FORMAT!r}"
        raise ConfigError(message, field="format")
    return header


def _parse(model: type[T], line: str, where: str) -> T:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = "".join(f"[{x}]" if isinstance(x, int) else f".{x}" for x in first["loc"]).lstrip(".")
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"{where}: {field + ': ' if field else ''}{message}", field=field or None
        ) from error
