"""Traces made up from published statistics (``traces/README.md``): many databases, bursts, tenants."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sched.errors import ConfigError
from sched.traces.arrivals import gaps
from sched.traces.hexgen import TEMPLATES
from sched.traces.trace_format import TraceCall, TraceSegment, TraceWorkflow
from sched.workflow import SegmentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What to make.

    ``zipf``: the n-th database is asked in proportion to n^−zipf, likewise tenants.  ``rate``: workflows
    per second; ``variation``: coefficient of variation of the gaps (1: Poisson).  ``revised``: mean share
    of workflows with a correction, unlike from database to database; ``more_rounds``: chance of another
    round after each, at most 10.  ``decided``: chance that the first candidate decides where nothing is
    corrected.  ``sql_seconds``: mean time of a statement.
    """

    workflows: int = 400
    databases: int = 20
    zipf: float = 1.1
    tenants: int = 4
    rate: float = 0.5
    variation: float = 1.0
    revised: float = 0.3
    more_rounds: float = 0.65
    decided: float = 0.5
    sql_seconds: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("workflows", "databases", "tenants", "rate"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"--{name} must be above 0, not {getattr(self, name)}", field=name)
        for name in ("revised", "more_rounds", "decided"):
            if not 0 <= getattr(self, name) <= 1:
                flag = name.replace("_", "-")
                raise ConfigError(f"--{flag} is a share from 0 to 1, not {getattr(self, name)}", field=name)
        for name in ("zipf", "variation", "sql_seconds"):
            if getattr(self, name) < 0:
                flag = name.replace("_", "-")
                raise ConfigError(f"--{flag} must not be negative, not {getattr(self, name)}", field=name)


@dataclass(frozen=True, slots=True)
class _Stage:
    """Tokens beside template and schema, output tokens (means), and ``max_new_tokens``."""

    context: int
    output: int
    limit: int


# Means of the published traces; half of what a template leaves of a candidate or revision is the schema.
_STAGES = {
    "information_retrieval": _Stage(93, 7, 64),
    "extract_keywords": _Stage(36, 42, 128),
    "generate_candidate": _Stage(1450, 590, 2048),
    "revise": _Stage(1500, 150, 1024),
    "unit_tester": _Stage(62, 5, 64),
    "generate_unit_test": _Stage(590, 93, 256),
    "evaluate": _Stage(650, 29, 512),
}
_WITH_SCHEMA = ("generate_candidate", "revise")
_MOST_ROUNDS = 10
_KEYWORDS_SHARE = 0.85
_TESTED_SHARE = 0.93


@dataclass(frozen=True, slots=True)
class _SyntheticDatabase:
    name: str
    schema_tokens: int
    revised: float


class _Writer:
    """Appends the calls of one workflow."""

    def __init__(self, database: _SyntheticDatabase, rng: random.Random, sql_seconds: float) -> None:
        self.calls: list[TraceCall] = []
        self.decided: dict[str, int] = {}
        self._database = database
        self._rng = rng
        self._sql_seconds = sql_seconds
        self._last: tuple[int, ...] = ()

    def step(self, stage: str, *, sql: bool = False, shared: float = 0.0) -> None:
        """Append a call after all before it; ``shared`` of its own text recurs within the workflow."""
        call = self._call(stage, stage, self._context(stage), shared, sql)
        self.calls.append(call)
        self._last = (call.id,)

    def fan_out(self, stage: str, templates: Sequence[str], *, sql: bool, shared: float = 0.0) -> None:
        """Append siblings, one per template."""
        context = self._context(stage)
        siblings = []
        for branch, template in enumerate(templates):
            call = self._call(stage, template, context, shared, sql, join=stage, branch=branch)
            self.calls.append(call)
            siblings.append(call.id)
        self._last = tuple(siblings)

    def _context(self, stage: str) -> int:
        return max(8, round(self._rng.gammavariate(16, _STAGES[stage].context / 16)))

    def _call(
        self,
        stage: str,
        template: str,
        context: int,
        shared: float,
        sql: bool,
        join: str | None = None,
        branch: int = 0,
    ) -> TraceCall:
        kind, rng = _STAGES[stage], self._rng
        segments = [TraceSegment(SegmentKind.TEMPLATE, template, TEMPLATES[template])]
        if stage in _WITH_SCHEMA:
            name = self._database.name
            segments.append(TraceSegment(SegmentKind.SCHEMA, name, self._database.schema_tokens))
        common = round(context * shared)
        if common:
            segments.append(TraceSegment(SegmentKind.CONTEXT, stage, common))
        segments.append(TraceSegment(SegmentKind.QUESTION, None, max(1, context - common)))
        output = round(rng.gammavariate(8, kind.output / 8))
        return TraceCall(
            id=len(self.calls),
            stage=stage,
            after=self._last,
            segments=tuple(segments),
            output=min(kind.limit, max(2, output)),
            max_new_tokens=kind.limit,
            sql=round(rng.lognormvariate(-0.5, 1.0) * self._sql_seconds, 3) if sql else 0.0,
            join=join,
            branch=branch,
        )


def generate(shape: Shape) -> list[TraceWorkflow]:
    """Return workflows in CHESS's shape: retrieval, two candidates, corrections, tests, evaluations."""
    rng = random.Random(shape.seed)
    databases = [_database(f"db{i}", shape, rng) for i in range(shape.databases)]
    database_weights = [(i + 1) ** -shape.zipf for i in range(shape.databases)]
    tenant_weights = [(i + 1) ** -shape.zipf for i in range(shape.tenants)]
    arrivals = gaps(shape.rate, shape.variation, rng)
    now, workflows = 0.0, []
    for place in range(shape.workflows):
        now += next(arrivals)
        database = rng.choices(databases, database_weights)[0]
        tenant = rng.choices(range(shape.tenants), tenant_weights)[0]
        written = _write(database, shape, rng)
        workflows.append(
            TraceWorkflow(
                id=str(place),
                arrival=round(now, 3),
                tenant=f"tenant{tenant}",
                database=database.name,
                decided=written.decided,
                calls=tuple(written.calls),
            )
        )
    return workflows


def _database(name: str, shape: Shape, rng: random.Random) -> _SyntheticDatabase:
    """Schemas are log-normal around 1,400 tokens; hard databases need more corrections."""
    schema = min(12_000, max(200, round(rng.lognormvariate(7.25, 0.7))))
    # A beta distribution with the wanted mean; its ends are their own limits.
    revised = rng.betavariate(3 * shape.revised, 3 * (1 - shape.revised)) if 0 < shape.revised < 1 else None
    return _SyntheticDatabase(name, schema, shape.revised if revised is None else revised)


def _write(database: _SyntheticDatabase, shape: Shape, rng: random.Random) -> _Writer:
    writer = _Writer(database, rng, shape.sql_seconds)
    writer.step("information_retrieval")
    if rng.random() < _KEYWORDS_SHARE:
        writer.step("extract_keywords")
    for _ in range(3):
        writer.step("information_retrieval")
    writer.fan_out("generate_candidate", ("generate_candidate/0", "generate_candidate/1"), sql=True)
    if rng.random() < database.revised:
        writer.step("revise", sql=True, shared=0.95)
        for _ in range(_MOST_ROUNDS - 1):
            if rng.random() >= shape.more_rounds:
                break
            writer.step("revise", sql=True, shared=0.95)
    elif rng.random() < shape.decided:
        writer.decided["generate_candidate"] = 1
    writer.step("unit_tester")
    if rng.random() < _TESTED_SHARE:
        writer.step("generate_unit_test")
        writer.step("unit_tester")
        evaluations = rng.choice((3, 4, 4, 4, 5, 5, 5, 6, 6, 7))
        writer.fan_out("evaluate", ("evaluate",) * evaluations, sql=False, shared=0.86)
        writer.decided["evaluate"] = rng.randint(evaluations // 2 + 1, evaluations)
    writer.step("unit_tester")
    return writer
