"""Whatever stands in a trace: it is read, or refused with the place of the mistake."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sched.errors import ConfigError
from sched.traces.hexgen import convert
from sched.traces.trace_format import FORMAT, read_header, read_trace

TRACES = Path(__file__).parents[3] / "traces"
HEADER = json.dumps({"format": FORMAT, "source": "a test"})
LINES = (TRACES / "generated_bursty.jsonl").read_text(encoding="utf-8").splitlines()[1:40]
TEXTS = st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def workflows(draw: st.DrawFn) -> str:
    """Return a line of a trace of ours in which some values are others, also inside its calls."""
    workflow = json.loads(draw(st.sampled_from(LINES)))
    for _ in range(draw(st.integers(0, 2))):
        table: Any = workflow
        for _ in range(draw(st.integers(0, 3))):
            inner = [value for value in _values(table) if isinstance(value, dict | list) and value]
            if not inner:
                break
            table = inner[draw(st.integers(0, len(inner) - 1))]
        key = draw(st.sampled_from(list(table) if isinstance(table, dict) else range(len(table))))
        table[key] = draw(VALUES)
    return json.dumps(workflow)


def _values(table: Any) -> list[Any]:
    return list(table.values()) if isinstance(table, dict) else list(table)


def refused_or_read(content: bytes) -> None:
    refusals = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.jsonl"
        path.write_bytes(content)
        for read in (read_trace, read_header, lambda file: convert(file, rate=1.0, seed=0, database="d")):
            try:
                read(path)
            except ConfigError as error:
                refusals.append(error.message)
    assert all(str(path) in refusal for refusal in refusals)


@settings(max_examples=100)
@given(st.lists(workflows() | VALUES.map(json.dumps) | TEXTS, max_size=4))
def test_any_lines(lines: list[str]) -> None:
    """After a header that is right."""
    refused_or_read("\n".join([HEADER, *lines]).encode("utf-8", "surrogatepass"))


@settings(max_examples=50)
@given(st.binary(max_size=80) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes(content: bytes) -> None:
    refused_or_read(content)


@settings(max_examples=50)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["Text2SQLRequest", "x"]), st.lists(VALUES, max_size=3)), max_size=3
    )
)
def test_any_request_of_the_other_format(requests: list[dict[str, Any]]) -> None:
    refused_or_read(json.dumps(requests).encode())
