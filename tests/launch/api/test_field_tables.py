"""The table of routes and fields is what the code does, for all that SGLang and OpenAI have."""

from __future__ import annotations

from pathlib import Path

import pytest

import launch.api
from tests.launch.api.field_tables import NO_EFFECT, REFUSED, SUPPORTED, Compared, compared, served, table

FILE = Path(launch.api.__file__).with_name("FIELDS.md")


async def test_the_table_is_what_the_code_does() -> None:
    """A field that either package adds, or that changes here, fails until the table is written again."""
    assert FILE.read_text() == table(await served()), "write it again: see its first line"


@pytest.mark.parametrize("request_", compared(), ids=lambda each: each.name)
def test_every_request_is_compared_with_theirs(request_: Compared) -> None:
    """Their fields are found, and most of ours are theirs."""
    ours = set(request_.model.model_fields)
    assert len(ours & set(request_.fields())) > len(ours) / 2 or len(request_.fields()) < 8


@pytest.mark.parametrize(
    ("index", "field", "here"),
    [
        (0, "input_ids", SUPPORTED),
        (0, "lora_path", REFUSED),
        (1, "temperature", SUPPORTED),
        (1, "beam_width", REFUSED),
        (2, "tools", SUPPORTED),
        (2, "modalities", REFUSED),
        (3, "echo", REFUSED),
        (4, "previous_response_id", SUPPORTED),
        (4, "max_tool_calls", NO_EFFECT),
        (4, "background", REFUSED),
    ],
)
def test_a_field_does_what_it_is_known_to_do(index: int, field: str, here: str) -> None:
    """So the table can't be written from a model that takes everything."""
    request = compared()[index]
    assert field in request.fields()
    assert request.verdict(field)[0] == here
