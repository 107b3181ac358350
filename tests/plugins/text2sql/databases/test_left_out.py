"""What of a schema can't be shown is told, unless it isn't wanted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.presentation import Presentation
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from sched.errors import UnavailableError

BROKEN = "'v' is left out: no such table: main.gone"


def registered(path: Path, script: str, exclude: Sequence[str] = ()) -> DatabaseRegistry:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    registry = DatabaseRegistry()
    registry.register("x", SqliteDatabase, str(path), Presentation(exclude=exclude))
    return registry


@pytest.mark.parametrize(("exclude", "warnings"), [((), (BROKEN,)), (("v",), ())])
def test_a_broken_view_is_a_warning_unless_it_is_excluded(
    tmp_path: Path, exclude: Sequence[str], warnings: tuple[str, ...]
) -> None:
    """Whoever knows of it can silence it."""
    script = "CREATE TABLE t (a); CREATE VIEW v AS SELECT * FROM gone"
    with closing(registered(tmp_path / "x.sqlite", script, exclude)) as registry:
        assert [table.name for table in registry.schema("x").tables] == ["t"]
        assert registry.state("x").warnings == warnings


def test_a_database_with_broken_views_alone_says_so(tmp_path: Path) -> None:
    """It isn't just empty."""
    with closing(registered(tmp_path / "x.sqlite", "CREATE VIEW v AS SELECT * FROM gone")) as registry:
        with pytest.raises(UnavailableError, match=f"it has no tables to show: {BROKEN}"):
            registry.schema("x")
        assert registry.state("x").reason == f"it has no tables to show: {BROKEN}"
