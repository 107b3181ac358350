"""What PostgreSQL sends is bounded: large values stay there, the others come as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.postgresql import postgresql_database
from plugins.text2sql.databases.relational.batches import rows_in_batches
from tests.plugins.text2sql.databases.conftest import Shops
from tests.plugins.text2sql.databases.running_statements import AMPLE

NAME = "postgresql"


@pytest.fixture
def registry(shops: Shops) -> Iterator[DatabaseRegistry]:
    with closing(shops.registry(NAME)) as registry:
        yield registry


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT repeat('x', 900000) || repeat('y', 900000) AS a, 1 AS b",
        "SELECT string_agg(repeat('x', 1000), '')::bytea FROM generate_series(1, 900)",
        "SELECT jsonb_agg(repeat('x', 1000)), 1 FROM generate_series(1, 900)",
        "SELECT array_agg(repeat('x', 1000)), 'small' FROM generate_series(1, 900)",
        "SELECT ROW(repeat('x', 900000), 1)",
        "SELECT repeat('x', 900000)::char(1000000)",
    ],
)
async def test_what_is_too_big_stays_on_the_server(
    registry: DatabaseRegistry, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver gets a little more than the limit of it, or nothing."""
    seen: list[int] = []

    def noted(fetch: Callable[[int], Sequence[Sequence[Any]]], most: int) -> Iterator[Sequence[Any]]:
        for row in rows_in_batches(fetch, most):
            seen.extend(len(value) if isinstance(value, str | bytes) else 0 for value in row)
            yield row

    monkeypatch.setattr(postgresql_database, "rows_in_batches", noted)
    result = await registry.execute(NAME, statement, AMPLE)
    assert result.error == "a value is too big: more than 262144 bytes"
    assert seen
    assert max(seen) <= 262_145


async def test_values_within_the_limit_are_whole(registry: DatabaseRegistry) -> None:
    """With the names, the order and the types that the statement gives them."""
    statement = (
        "SELECT repeat('x', 262144) AS a, id, repeat('ab', 3)::bytea AS a, ARRAY[id, 2], to_jsonb(id) -- end"
        "\nFROM orders WHERE id < 4 ORDER BY id DESC -- end"
    )
    result = await registry.execute(NAME, statement, AMPLE)
    assert result.columns == ("a", "id", "a", "array", "to_jsonb")
    assert result.rows == tuple(("x" * 262144, n, "616261626162", [n, 2], n) for n in (3, 2, 1))
    many = await registry.execute(NAME, "SELECT concat_ws(',', id, total), * FROM orders ORDER BY id", AMPLE)
    assert [row[1] for row in many.rows] == list(range(1, 1001))
    assert (await registry.execute(NAME, "SELECT textout('x'), NULL, 'a'::\"char\"", AMPLE)).ok


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SELECT 10::numeric ^ 131000", "1" + 131_000 * "0"),
        ("SELECT 0.5 + 10::numeric ^ 1000", "1" + 1000 * "0" + ".5"),
        (f"SELECT jsonb('{'[' * 5000}{']' * 5000}')", None),
    ],
    ids=["digits", "fraction", "depth"],
)
async def test_what_python_cannot_hold_is_a_result(
    registry: DatabaseRegistry, statement: str, shown: str | None
) -> None:
    """Text, or an error of the statement."""
    result = await registry.execute(NAME, statement, AMPLE)
    if shown is None:
        assert result.error_kind == "invalid"
        assert "the result can't be read" in (result.error or "")
    else:
        assert result.rows == ((shown,),)
