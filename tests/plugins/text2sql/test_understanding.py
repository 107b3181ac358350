"""A question that has nothing to do with the database is answered with ``not_understood``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.question import QuestionRequest
from plugins.text2sql.retrieval.retrieval import Found
from tests.plugins.text2sql.scripted_shop import (
    BROKEN,
    EMPTY,
    OTHER,
    RIGHT,
    WRONG,
    FakeRetrieval,
    run,
    scripted,
)

LOST = "Xyzzy blorp quux?"
DIFFERENT = [RIGHT, WRONG, OTHER]


class Finds(FakeRetrieval):
    """Finds these ``values`` and no column, with this ``note``."""

    def __init__(self, *values: str, note: str | None = None) -> None:
        super().__init__(note)
        self.found = Found(values, note)

    async def values(self, database: str, keywords: Sequence[str], question: str, hint: str = "") -> Found:
        return self.found

    async def columns(self, database: str, keywords: Sequence[str]) -> Found:
        return Found()


async def _status(
    registry: DatabaseRegistry,
    written: str | list[str],
    retrieval: FakeRetrieval | None,
    question: str = LOST,
    **request: Any,
) -> dict[str, Any]:
    model = scripted(
        extract_keywords='["blorp"]', generate_candidate=written, revise="I can't say.", unit_tester="done"
    )
    asked = QuestionRequest(question=question, **request)
    answer, _ = await run(registry, model, retrieval, request=asked)
    return answer


async def test_nothing_found_and_no_agreement_is_not_understood(registry: DatabaseRegistry) -> None:
    """No rows are passed off as an answer; what was tried is still listed."""
    answer = await _status(registry, DIFFERENT, Finds())
    assert (answer["status"], answer["sql"], answer["rows"]) == ("not_understood", None, [])
    assert answer["reason"] == (
        "no word of the question names a table, a column or a value of the database, and no two of the 3 "
        "candidates found the same"
    )
    assert [each["sql"] for each in answer["candidates"]] == DIFFERENT


async def test_that_nobody_finds_rows_is_no_agreement(registry: DatabaseRegistry) -> None:
    """Three guesses at a name that isn't there have nothing in common."""
    answer = await _status(registry, EMPTY, Finds())
    assert (answer["status"], answer["sql"]) == ("not_understood", None)
    assert (await _status(registry, EMPTY, Finds(), "Which customers?"))["status"] == "empty"


async def test_prose_instead_of_sql_is_not_understood(registry: DatabaseRegistry) -> None:
    """Where nothing was found either; also with one candidate."""
    answer = await _status(registry, "I don't know.", Finds(), candidates=1)
    assert (answer["status"], answer["sql_error"]) == ("not_understood", None)
    assert answer["reason"].endswith("and no SQL was written")


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"retrieval": Finds("customers.country = 'Germany'")}, "ok"),  # a value was found
        ({"retrieval": Finds(note="the index is still being made")}, "ok"),  # nobody looked in full
        ({"retrieval": None}, "ok"),
        ({"question": "Xyzzy custmers?"}, "ok"),  # a word of the schema, misspelt
        ({"evidence": "blorp is the country of a customer"}, "ok"),
        ({"written": [RIGHT, RIGHT, OTHER]}, "ok"),  # they agree
        ({"written": RIGHT, "candidates": 1}, "ok"),  # nothing to compare
        ({"written": BROKEN}, "no_sql_ran"),  # SQL was tried
        ({"written": "no", "question": "Which customers?"}, "no_sql_ran"),
    ],
)
async def test_each_sign_of_understanding_keeps_the_other_statuses(
    registry: DatabaseRegistry, changed: dict[str, Any], status: str
) -> None:
    """One is enough."""
    options: dict[str, Any] = {"written": DIFFERENT, "retrieval": Finds()} | changed
    answer = await _status(registry, options.pop("written"), **options)
    assert answer["status"] == status
