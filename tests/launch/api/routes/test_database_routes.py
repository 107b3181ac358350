"""``/v1/databases``: which there are, and what is in one."""

from __future__ import annotations

from typing import Any

import pytest

from launch.api.routes.database_routes import MOST_COLUMNS
from launch.served_databases import ServedDatabase
from plugins.text2sql.databases.schema import Column, DatabaseSchema, ForeignKey, Kind, LeftOut, Table
from sched.errors import UnavailableError
from tests.launch.api.api_stack import Api, api_stack


def _column(name: str, **about: Any) -> Column:
    facts: dict[str, Any] = {
        "type": "INTEGER",
        "nullable": True,
        "primary_key": False,
        "kind": Kind.NUMBER,
        "samples": (),
    }
    return Column(name, **facts | about)


SCHEMA = DatabaseSchema(
    (
        Table("customers", (_column("id", primary_key=True, nullable=False),), (), 9, description="who buys"),
        Table(
            "orders",
            (_column("customer_id", description="who ordered"),),
            (ForeignKey(("customer_id",), "customers", ("id",)),),
            20,
        ),
        Table("wide", tuple(_column(f"c{number}") for number in range(MOST_COLUMNS + 1)), (), 0, view=True),
    ),
    left_out=(LeftOut("broken", "no such table: gone"),),
)


def _holds(api: Api, schema: Any) -> None:
    object.__setattr__(api.app.state.services, "schema", schema)


async def test_a_database_that_can_not_be_asked_is_listed_in_the_details_only() -> None:
    """With its state and its reason."""
    async with api_stack() as api:
        bad = ServedDatabase("bad", "sqlite", "unavailable", "it has no tables")
        shop = ServedDatabase("shop", "sqlite")
        object.__setattr__(api.app.state.services, "databases", lambda: [bad, shop])
        answer = (await api.client.get("/v1/databases")).json()
    assert answer["databases"] == ["shop"]
    assert answer["details"][0] == {
        "name": "bad",
        "kind": "sqlite",
        "state": "unavailable",
        "reason": "it has no tables",
        "warnings": [],
    }


async def test_a_database_is_described_as_questions_see_it() -> None:
    """Tables with columns, keys and descriptions; of a view nobody knows the rows."""
    async with api_stack() as api:
        _holds(api, lambda _: SCHEMA)
        answer = (await api.client.get("/v1/databases/shop")).json()
    assert (answer["name"], answer["kind"], answer["dialect"]) == ("shop", "sqlite", "SQL")
    assert answer["left_out"] == [{"name": "broken", "why": "no such table: gone"}]
    customers, orders, wide = answer["tables"]
    assert customers == {
        "name": "customers",
        "view": False,
        "description": "who buys",
        "row_count": 9,
        "columns_total": 1,
        "columns": [
            {"name": "id", "type": "INTEGER", "nullable": False, "primary_key": True, "description": ""}
        ],
        "foreign_keys": [],
    }
    assert orders["columns"][0]["description"] == "who ordered"
    assert orders["foreign_keys"] == [
        {"columns": ["customer_id"], "target": "customers", "target_columns": ["id"]}
    ]
    assert (wide["view"], wide["row_count"]) == (True, None)
    assert (wide["columns_total"], len(wide["columns"])) == (MOST_COLUMNS + 1, MOST_COLUMNS)


async def test_tables_come_in_pages() -> None:
    """Each says how many there are in all."""
    async with api_stack() as api:
        _holds(api, lambda _: SCHEMA)
        pages = [
            (await api.client.get("/v1/databases/shop", params={"limit": 2, "offset": offset})).json()
            for offset in (0, 2, 4)
        ]
    assert [[table["name"] for table in page["tables"]] for page in pages] == [
        ["customers", "orders"],
        ["wide"],
        [],
    ]
    assert {page["tables_total"] for page in pages} == {3}


@pytest.mark.parametrize(
    ("asked", "field"), [({"limit": 0}, "limit"), ({"limit": 501}, "limit"), ({"offset": -1}, "offset")]
)
async def test_a_bad_page_names_the_field(asked: dict[str, int], field: str) -> None:
    """Nothing is read for it."""
    async with api_stack() as api:
        response = await api.client.get("/v1/databases/shop", params=asked)
    assert (response.status_code, response.json()["error"]["field"]) == (422, field)


async def test_what_can_not_be_described_says_why() -> None:
    """An unknown name is told the known ones, a database that can't be read its reason."""

    def unreadable(name: str) -> DatabaseSchema:
        raise UnavailableError("database 'shop': the file is gone", field="database")

    async with api_stack() as api:
        unknown = await api.client.get("/v1/databases/bank")
        assert (unknown.status_code, unknown.json()["error"]["field"]) == (404, "name")
        assert unknown.json()["error"]["message"].endswith("known are: shop")
        _holds(api, unreadable)
        refused = await api.client.get("/v1/databases/shop")
    assert refused.status_code == 503
    assert refused.json()["error"]["message"] == "database 'shop': the file is gone"
