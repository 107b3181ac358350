"""HexGen-Flow's published traces (call lengths of CHESS on BIRD) as traces of this project.

They hold only lengths.  What is shared between prompts is assumed, as ``traces/README.md`` says.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, NamedTuple

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from sched.errors import ConfigError
from sched.traces.arrivals import gaps
from sched.traces.trace_format import TraceCall, TraceSegment, TraceWorkflow
from sched.workflow import SegmentKind

_STAGES = {
    "Information Retriever": "information_retrieval",
    "extract_keywords": "extract_keywords",
    "generate_candidate_llama-agent": "generate_candidate",
    "revise": "revise",
    "unit_tester": "unit_tester",
    "generate_unit_test": "generate_unit_test",
    "evaluate": "evaluate",
}
_PARALLEL = ("generate_candidate", "evaluate")
_DATABASE_GAP_TOKENS = 200
_DATABASE_SPAN_TOKENS = 1000
_REVISION_SHARED = 0.95
_EVALUATION_SHARED = 0.9

# Published lengths of the shared template prefixes; the two candidate agents differ.
TEMPLATES: dict[str, int] = {
    "information_retrieval": 213,
    "extract_keywords": 630,
    "generate_candidate/0": 9158,
    "generate_candidate/1": 5292,
    "revise": 3059,
    "unit_tester": 213,
    "generate_unit_test": 436,
    "evaluate": 261,
}


class _Step(BaseModel):
    step: str
    input_length: int = Field(ge=1)
    output_length: int = Field(ge=1)


class _Request(BaseModel):
    Text2SQLRequest: list[_Step] = Field(min_length=1)


class _HexgenCall(NamedTuple):
    template: str
    prompt: int
    output: int

    @property
    def stage(self) -> str:
        return self.template.partition("/")[0]


def convert(path: Path, *, rate: float, seed: int, database: str) -> list[TraceWorkflow]:
    """Return the workflows of a file in HexGen-Flow's format, arriving at ``rate`` per second (Poisson).

    Databases are told by the candidates' lengths: a gap of more than 200 tokens, or 1,000 from the shortest
    one, starts another; ``database`` names them.

    Raises:
        ConfigError: the file can't be read or is in another format; names the entry.
    """
    requests = [_stages(request, f"{path}: [{i}]") for i, request in enumerate(_read(path))]
    databases = _databases(requests, database)
    schemas = _schema_tokens(requests, databases)
    limits = _limits(requests)
    arrivals = gaps(rate, 1.0, random.Random(seed))
    now, workflows = 0.0, []
    for place, (calls, owner) in enumerate(zip(requests, databases, strict=True)):
        now += next(arrivals)
        workflows.append(
            TraceWorkflow(
                id=str(place),
                arrival=round(now, 3),
                database=owner,
                calls=_chain(calls, owner, schemas, limits),
            )
        )
    return workflows


def _read(path: Path) -> list[_Request]:
    try:
        adapter = TypeAdapter(Annotated[list[_Request], Field(min_length=1)])
        return adapter.validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"the trace {path} can't be read: {error.strerror}", field="trace") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"[{x}]" if isinstance(x, int) else f".{x}" for x in first["loc"])
        message = f"{path}: {where.lstrip('.')}: {first['msg']}; expected HexGen-Flow's format"
        raise ConfigError(message, field=where or None) from error


def _stages(request: _Request, where: str) -> list[_HexgenCall]:
    calls: list[_HexgenCall] = []
    agents = 0
    for place, step in enumerate(request.Text2SQLRequest):
        stage = _STAGES.get(step.step)
        if stage is None:
            message = f"{where}[{place}].step: unknown {step.step!r}; known are {', '.join(_STAGES)}"
            raise ConfigError(message, field="step")
        template = stage
        if stage == "generate_candidate":
            template, agents = f"{stage}/{agents % 2}", agents + 1
        calls.append(_HexgenCall(template, step.input_length, step.output_length))
    return calls


def _databases(requests: Sequence[Sequence[_HexgenCall]], name: str) -> list[str]:
    """Cluster the requests by what their candidates' prompts hold beside the template."""
    rests = [
        max((c.prompt - TEMPLATES[c.template] for c in calls if c.stage == "generate_candidate"), default=0)
        for calls in requests
    ]
    ranks: dict[int, int] = {}
    rank, first, previous = 0, min(rests), min(rests)
    for value in sorted(set(rests)):
        if value - previous > _DATABASE_GAP_TOKENS or value - first > _DATABASE_SPAN_TOKENS:
            rank, first = rank + 1, value
        ranks[value], previous = rank, value
    return [f"{name}-{ranks[value]}" if rank else name for value in rests]


def _schema_tokens(
    requests: Sequence[Sequence[_HexgenCall]], databases: Sequence[str]
) -> dict[tuple[str, str], int]:
    """Return the schema's tokens per (database, template): half of what the template leaves."""
    rests: dict[tuple[str, str], list[int]] = defaultdict(list)
    for calls, database in zip(requests, databases, strict=True):
        for call in calls:
            if call.stage in ("generate_candidate", "revise"):
                rests[database, call.template].append(call.prompt - TEMPLATES[call.template])
    return {key: int(median(values) / 2) for key, values in rests.items()}


def _limits(requests: Sequence[Sequence[_HexgenCall]]) -> dict[str, int]:
    """Return ``max_new_tokens`` per stage: the power of two that holds the longest output."""
    longest: dict[str, int] = defaultdict(lambda: 64)
    for calls in requests:
        for call in calls:
            longest[call.stage] = max(longest[call.stage], call.output)
    return {stage: 1 << (tokens - 1).bit_length() for stage, tokens in longest.items()}


def _chain(
    calls: Sequence[_HexgenCall], database: str, schemas: dict[tuple[str, str], int], limits: dict[str, int]
) -> tuple[TraceCall, ...]:
    """Return the calls with their dependencies: siblings of a parallel stage start and end together."""
    result: list[TraceCall] = []
    last: tuple[int, ...] = ()
    group: list[int] = []
    previous = ""
    joins = 0
    for place, call in enumerate(calls):
        if call.stage != previous or call.stage not in _PARALLEL:
            last, group = tuple(group), []
            joins += call.stage in _PARALLEL
        join = f"{call.stage}/{joins}" if call.stage in _PARALLEL else None
        result.append(
            TraceCall(
                id=place,
                stage=call.stage,
                after=last,
                segments=_segments(call, database, schemas),
                output=call.output,
                max_new_tokens=limits[call.stage],
                join=join,
                branch=len(group) if join else 0,
            )
        )
        group.append(place)
        previous = call.stage
    return tuple(result)


def _segments(
    call: _HexgenCall, database: str, schemas: dict[tuple[str, str], int]
) -> tuple[TraceSegment, ...]:
    """Split a prompt by what it is assumed to share."""
    template = min(TEMPLATES[call.template], call.prompt)
    parts = [TraceSegment(SegmentKind.TEMPLATE, call.template, template)]
    left = call.prompt - template
    schema = min(schemas.get((database, call.template), 0), left)
    if schema:
        parts.append(TraceSegment(SegmentKind.SCHEMA, database, schema))
        left -= schema
    shared = 0
    if call.stage == "revise":
        shared = int(left * _REVISION_SHARED)
    elif call.stage == "evaluate":
        shared = min(left, int(call.prompt * _EVALUATION_SHARED) - template)
    if shared > 0:
        parts.append(TraceSegment(SegmentKind.CONTEXT, call.stage, shared))
        left -= shared
    if left:
        parts.append(TraceSegment(SegmentKind.QUESTION, None, left))
    return tuple(parts)
