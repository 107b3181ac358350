"""The warehouse and its model's tokens, built once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import render
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.linking.room import TokenCounter
from tests.plugins.text2sql.linking.warehouse import build_warehouse, counter, encoder


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseRegistry]:
    path = build_warehouse(tmp_path_factory.mktemp("large") / "warehouse.sqlite")
    with closing(DatabaseRegistry()) as registry:
        registry.register("warehouse", SqliteDatabase, str(path))
        yield registry


@pytest.fixture(scope="session")
def count(warehouse: DatabaseRegistry) -> Iterator[TokenCounter]:
    with closing(encoder([render(warehouse.schema("warehouse"))[:200_000]])) as made:
        yield counter(made)
