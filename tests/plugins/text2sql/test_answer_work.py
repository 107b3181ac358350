"""Reading megabytes of a hostile answer ends, and is done in a thread.

Read once for each of its characters, it would take hours: pytest's bound against hanging would end the test.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from plugins.text2sql import answers, options
from plugins.text2sql.answers import Form
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.reading.sql_extraction import extract_sql
from plugins.text2sql.reading.thinking import split_thinking
from tests.plugins.text2sql.scripted_shop import RIGHT, run, scripted

LENGTH = 500_000
FORMS: tuple[Form[Any], ...] = (
    answers.Decision(("retrieve_values", "done")),
    answers.Keywords("Who?"),
    answers.SomeTables(("a",)),
    answers.UnitTests(3),
    answers.Verdicts(3),
)
UNITS = [
    "[",
    '"',
    "'",
    '\\"',
    "\\'",
    "\\\n",
    "\n",
    " ",
    " \n",
    "- ",
    "-\n",
    "1",
    "candidate ",
    "candidate 1 ",
    "<think>",
]


@pytest.mark.parametrize("lead", ["", '["', "['", "- candidate 1"])
@pytest.mark.parametrize("unit", UNITS)
def test_reading_ends(unit: str, lead: str) -> None:
    """Whatever it says."""
    text = lead + unit * (LENGTH // len(unit))
    split_thinking(text)
    for form in FORMS:
        form.read(text)


async def test_statements_are_read_in_a_thread(
    registry: DatabaseRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading may parse for seconds, in which other workflows go on."""
    readers: list[int] = []

    def noted(text: str, dialect: Dialect, reasoning_parser: str | None) -> str:
        readers.append(threading.get_ident())
        return extract_sql(text, dialect, reasoning_parser)

    monkeypatch.setattr(options, "extract_sql", noted)
    answer, _ = await run(registry, scripted(generate_candidate=RIGHT))
    assert answer["sql"] == RIGHT
    assert readers
    assert threading.get_ident() not in readers
