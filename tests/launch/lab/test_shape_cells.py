"""Runs with whole schemas, linked tables and what is decided, by the live rule and belief."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from launch.lab.shape_cells import MIXES, SHAPES, ShapeCell, Shapes
from sched.traces.trace_format import TraceCall, TraceWorkflow, read_trace
from sched.workflow import PromptSeconds, SegmentKind

TRACE = Path("traces/generated_bursty.jsonl")


@pytest.fixture(scope="module")
def workflows() -> list[TraceWorkflow]:
    return read_trace(TRACE)[:40]


def schema_of(call: TraceCall) -> list[tuple[str | None, int]]:
    return [(s.shared, s.tokens) for s in call.segments if s.kind is SegmentKind.SCHEMA]


def test_questions_go_to_the_databases_of_the_mix(workflows: list[TraceWorkflow]) -> None:
    """With whole schemas of their sizes; linked ones are fewer tokens, in an order that all share."""
    mix = MIXES["half to 1 of 2k, half to 20 of 20k"]
    shapes = Shapes("linked", mix, 0)
    asked = [shapes.asked(workflow) for workflow in workflows]
    assert {w.database for w in asked} > {"0/0", "1/13"}
    for workflow in asked:
        for call in workflow.calls:
            whole = schema_of(call)
            linked = schema_of(shapes.choose(workflow, call, lambda w, c: PromptSeconds(0.0, 0.0)))
            assert bool(whole) == bool(linked)
            if whole:
                assert whole == [(workflow.database, 2_000 if workflow.database == "0/0" else 20_000)]
                ranks = [int(str(name).split()[-1]) for name, _ in linked]
                assert ranks == sorted(set(ranks))
                assert sum(tokens for _, tokens in linked) <= 2_000


def test_a_question_decides_once_per_template(workflows: list[TraceWorkflow]) -> None:
    """By the rule that serves: linked at first, whole once the rents have reached the price."""
    shapes = Shapes("decided", MIXES["1 of 2k"], 0)
    seen: dict[str, list[bool]] = {}

    def cost(workflow: TraceWorkflow, call: TraceCall) -> PromptSeconds:
        tokens = sum(n for _, n in schema_of(call))
        return PromptSeconds(10.0, 1.0) if tokens == 2_000 else PromptSeconds(4.0, 4.0)

    for traced in workflows:
        workflow = shapes.asked(traced)
        for call in workflow.calls:
            if schema_of(call):
                whole = schema_of(shapes.choose(workflow, call, cost)) == schema_of(call)
                again = schema_of(shapes.choose(workflow, call, cost)) == schema_of(call)
                assert whole == again
                taken = seen.setdefault(str(call.segments[0].shared), [])
                taken.append(whole)
    assert seen["generate_candidate/0"][:6] == [False, False, True, False, False, True]


def test_a_run_tells_what_was_prefilled() -> None:
    """Each shape runs; the same cell gives the same figures."""

    def run(shape: str) -> dict[str, Any]:
        cell = ShapeCell(
            trace=str(TRACE), placement="sluice", load=0.2, workflows=10, mix="1 of 2k", shape=shape
        )
        return cell.run()

    figures = {shape: run(shape) for shape in SHAPES}
    assert all(f["failed"] == 0 and f["p95"] > f["p50"] > 0 for f in figures.values())
    assert all(f["prefill_tokens"] > 1_000 for f in figures.values())
    assert run("decided") == figures["decided"]
