"""Bodies of millions of values are refused before they are parsed; long texts aren't."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.api import body_values
from launch.api.body_values import MOST_VALUES, has_more
from tests.launch.api.api_stack import api_stack

MANY = MOST_VALUES + 2
JSON = st.recursive(
    st.none() | st.integers(0, 9) | st.text('a,\\\\"é[', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text('a,\\\\"', max_size=3), inner, max_size=3)
    ),
    max_leaves=30,
)


def commas(value: Any) -> int:
    if isinstance(value, dict):
        return max(0, len(value) - 1) + sum(map(commas, value.values()))
    return max(0, len(value) - 1) + sum(map(commas, value)) if isinstance(value, list) else 0


@given(JSON, st.integers(1, 9))
def test_commas_in_texts_do_not_count(value: Any, size: int) -> None:
    """Wherever the slices end, within an escape too."""
    body = orjson.dumps(value)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(body_values, "_SLICE_BYTES", size)
        count = commas(value)
        assert not has_more(body, count)
        assert count == 0 or has_more(body, count - 1)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {"input_ids": [7] * MANY}),
        ("/generate", {"text": ["a"] * MANY}),
        ("/generate", {"text": "a", "sampling_params": {"logit_bias": {str(i): 1 for i in range(MANY)}}}),
        ("/generate", {"text": "a"} | {f"k{i}": 1 for i in range(MANY)}),
        ("/v1/completions", {"model": "fake", "prompt": [7] * MANY}),
        ("/v1/chat/completions", {"model": "fake", "messages": [{"role": "user", "content": ","}] * MANY}),
        ("/v1/text2sql", {"question": ["a"] * MANY}),
    ],
)
async def test_too_many_values_are_413(path: str, body: dict[str, Any]) -> None:
    """With the remedy, on every route that takes a body."""
    async with api_stack(max_body_bytes=1 << 26) as api:
        answer = await api.client.post(path, json=body)
        assert answer.status_code == 413, answer.text
        assert f"more than {MOST_VALUES} values" in answer.json()["error"]["message"]


async def test_a_text_of_many_commas_is_no_such_body() -> None:
    """It is as long as a text may be."""
    async with api_stack(max_body_bytes=1 << 26) as api:
        answer = await api.client.post("/generate", json={"text": "a," * MANY})
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {"text": "a"}),
        ("/generate", {"text": "a", "sampling_params": {}}),
        ("/generate", {"text": "a", "workflow": {}}),
        ("/abort_request", {"rid": "a"}),
        ("/v1/completions", {"model": "fake", "prompt": "a"}),
        ("/v1/chat/completions", {"model": "fake", "messages": [{"role": "user", "content": "a"}]}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}], "response_format": {}}),
        ("/v1/text2sql", {"question": "a", "database": "shop"}),
    ],
)
async def test_thousands_of_unknown_fields_are_one_complaint(path: str, body: dict[str, Any]) -> None:
    """In the body and in the objects within it."""
    unknown = {f"k{i}": 1 for i in range(1_000)}
    inner = next((name for name, value in body.items() if value == {}), None)
    flooded = body | (unknown if inner is None else {inner: unknown})
    async with api_stack() as api:
        answer = await api.client.post(path, json=flooded)
        assert answer.status_code in (400, 422), answer.text
        assert f"an object with {1_000 + (len(body) if inner is None else 0)} fields" in answer.text
