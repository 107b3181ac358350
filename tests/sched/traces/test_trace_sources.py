"""Converting and generating traces."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from sched.errors import ConfigError
from sched.traces.hexgen import convert
from sched.traces.synthetic import Shape, generate
from sched.traces.trace_format import TraceWorkflow, read_header, read_trace

SHIPPED = Path(__file__).parents[3] / "traces"
EXCERPT = Path(__file__).with_name("hexgen_flow_excerpt.json")
"""In the published format: the first three workflows of the file about each database."""
PUBLISHED = [
    ("financial", 0, "4d39ab02302a206ba24c7faf9f2a1d7939481b4a415d94a54fbb91a9fe19ded8"),
    ("formula_1", 3, "68093ba9a4501c2b7c0e388ad52f16bd609e2254a4c9c839fe501e5a7da32f61"),
]
"""Databases, where their excerpt begins, and the SHA-256 of all steps of the published file as JSON."""
STEP_NAMES = {
    "information_retrieval": "Information Retriever",
    "generate_candidate": "generate_candidate_llama-agent",
}
"""How the published files call a stage, where not by its own name."""

# --- HexGen-Flow's format -----------------------------------------------------------------------

STEPS = [
    ("Information Retriever", 300, 5),
    ("generate_candidate_llama-agent", 11158, 600),
    ("generate_candidate_llama-agent", 7292, 500),
    ("revise", 5059, 80),
    ("revise", 5079, 90),
    ("evaluate", 900, 20),
    ("evaluate", 910, 20),
    ("unit_tester", 270, 4),
]


def hexgen(path: Path, *requests: list[tuple[str, int, int]]) -> Path:
    """Write requests in HexGen-Flow's format."""
    data = [
        {"Text2SQLRequest": [{"step": s, "input_length": i, "output_length": o} for s, i, o in steps]}
        for steps in requests
    ]
    path.write_text(json.dumps(data))
    return path


def published_steps(workflow: TraceWorkflow) -> list[tuple[str, int, int]]:
    """Return the steps of which ``workflow`` was made, as published."""
    return [(STEP_NAMES.get(c.stage, c.stage), c.prompt_tokens, c.output) for c in workflow.calls]


def test_conversion_keeps_lengths_and_finds_dependencies(tmp_path: Path) -> None:
    """Candidates run in parallel, evaluations too, every other step waits for all before it."""
    (workflow,) = convert(hexgen(tmp_path / "h.json", STEPS), rate=1.0, seed=0, database="shop")
    assert [(c.prompt_tokens, c.output) for c in workflow.calls] == [(i, o) for _, i, o in STEPS]
    assert [c.after for c in workflow.calls] == [(), (0,), (0,), (1, 2), (3,), (4,), (4,), (5, 6)]
    assert [c.join is not None for c in workflow.calls] == [
        False,
        True,
        True,
        False,
        False,
        True,
        True,
        False,
    ]
    assert workflow.calls[1].join == workflow.calls[2].join != workflow.calls[5].join
    assert [c.branch for c in workflow.calls[1:3]] == [0, 1]
    assert workflow.calls[1].max_new_tokens == workflow.calls[2].max_new_tokens == 1024


def test_conversion_assumes_what_prompts_share(tmp_path: Path) -> None:
    """Template, half of the rest as the schema, nearly all of a revision, 90 % of an evaluation."""
    (workflow,) = convert(hexgen(tmp_path / "h.json", STEPS), rate=1.0, seed=0, database="shop")
    told = [[(s.kind.value, s.tokens) for s in call.segments] for call in workflow.calls]
    assert told[0] == [("template", 213), ("question", 87)]
    assert told[1] == [("template", 9158), ("schema", 1000), ("question", 1000)]
    assert told[2] == [("template", 5292), ("schema", 1000), ("question", 1000)]
    assert told[3] == [("template", 3059), ("schema", 1005), ("context", 945), ("question", 50)]
    assert told[5] == [("template", 261), ("context", 549), ("question", 90)]


def test_databases_are_told_by_candidate_lengths(tmp_path: Path) -> None:
    """Two clusters of lengths are two databases; a single one has the plain name."""
    longer = [(s, i + 3000 * s.startswith("gen"), o) for s, i, o in STEPS]
    path = hexgen(tmp_path / "h.json", STEPS, longer, STEPS)
    assert [w.database for w in convert(path, rate=1.0, seed=0, database="d")] == ["d-0", "d-1", "d-0"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "at least 1"),
        (
            '[{"Text2SQLRequest": [{"step": "dance", "input_length": 1, "output_length": 1}]}]',
            "unknown 'dance'",
        ),
        (
            '[{"Text2SQLRequest": [{"step": "revise", "input_length": 0, "output_length": 1}]}]',
            "input_length",
        ),
        ("nonsense", "expected HexGen-Flow's format"),
    ],
)
def test_another_format_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """The error names the entry."""
    path = tmp_path / "h.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        convert(path, rate=1.0, seed=0, database="d")


def test_published_workflows_are_read_as_they_are() -> None:
    """Of the published files' first workflows, every step is a call of its stage and lengths, in order."""
    published = json.loads(EXCERPT.read_text())
    workflows = convert(EXCERPT, rate=0.5, seed=0, database="bird")
    assert [published_steps(workflow) for workflow in workflows] == [
        [(step["step"], step["input_length"], step["output_length"]) for step in entry["Text2SQLRequest"]]
        for entry in published
    ]


@pytest.mark.parametrize(("name", "first", "digest"), PUBLISHED, ids=[name for name, _, _ in PUBLISHED])
def test_the_shipped_traces_are_the_published_ones(
    tmp_path: Path, name: str, first: int, digest: str
) -> None:
    """They hold all published lengths in order, and converting these again gives the same traces."""
    shipped = read_trace(SHIPPED / f"hexgen_flow_{name.replace('_', '')}.jsonl")
    steps = [published_steps(workflow) for workflow in shipped]
    assert hashlib.sha256(json.dumps(steps, separators=(",", ":")).encode()).hexdigest() == digest
    excerpt = [published_steps(w) for w in convert(EXCERPT, rate=0.5, seed=0, database=name)]
    assert excerpt[first : first + 3] == steps[:3]
    path = hexgen(tmp_path / "published.json", *steps)
    assert convert(path, rate=0.5, seed=0, database=name) == shipped


# --- generated traces ---------------------------------------------------------------------------


def test_the_shipped_generated_trace_can_be_made_again() -> None:
    """Its source is all it takes: same shape, same workflows."""
    path = SHIPPED / "generated_bursty.jsonl"
    shape = Shape(workflows=120, variation=3.0)
    assert read_header(path).source == f"generated: {shape}"
    assert read_trace(path) == generate(shape)


def test_a_generated_trace_has_the_wanted_shape() -> None:
    """Popular databases, tenants, bursts, corrections, and the rate."""
    workflows = generate(Shape(workflows=1500, databases=10, zipf=1.0, rate=2.0, variation=3.0, revised=0.4))
    popular = [count for _, count in Counter(w.database for w in workflows).most_common()]
    assert len(popular) == 10
    assert popular[0] > 3 * popular[-1]
    assert len({w.tenant for w in workflows}) == 4
    between = [b.arrival - a.arrival for a, b in pairwise(workflows)]
    mean = sum(between) / len(between)
    variation = (sum((x - mean) ** 2 for x in between) / len(between)) ** 0.5 / mean
    assert mean == pytest.approx(0.5, rel=0.25)
    assert variation == pytest.approx(3.0, rel=0.25)
    rounds = [sum(c.stage == "revise" for c in w.calls) for w in workflows]
    assert sum(r > 0 for r in rounds) / len(rounds) == pytest.approx(0.4, abs=0.15)
    assert max(rounds) == 10
    assert all(w.decided.get("generate_candidate", 1) == 1 for w in workflows)


@pytest.mark.parametrize(
    ("knob", "value"), [("workflows", 0), ("rate", -1.0), ("revised", 1.5), ("variation", -0.1)]
)
def test_impossible_shapes_are_refused(knob: str, value: float) -> None:
    """The error names the flag."""
    with pytest.raises(ConfigError, match=f"--{knob}"):
        replace(Shape(), **{knob: value})  # type: ignore[arg-type]
