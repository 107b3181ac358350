"""What these tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.demo.shop import build_shop


@pytest.fixture(scope="session")
def shop_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo shop, for reading; its name needs quoting."""
    path = tmp_path_factory.mktemp("shop") / "a shop?.sqlite"
    build_shop(path)
    return path


@pytest.fixture(scope="module")
def registry(shop_path: Path) -> Iterator[DatabaseRegistry]:
    """A registry with the demo shop as ``shop``, for the statements of one module."""
    with closing(DatabaseRegistry()) as registry:
        registry.register("shop", SqliteDatabase, str(shop_path))
        yield registry
