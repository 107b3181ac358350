"""The bench of reading databases, on small ones: what it makes, what it measures, what it leaves out."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from launch.bench.bench_cli import main
from launch.bench.databases.made_databases import ENGINES, made, started
from launch.bench.databases.mariadb_server import MariadbServer
from launch.database_kinds import kind_of
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import DatabaseSchema
from tests.plugins.text2sql.databases.conftest import MARIADB


@pytest.mark.parametrize("name", ["sqlite", "duckdb", "postgresql-new", MARIADB])
def test_every_engine_has_the_same_databases(name: str, tmp_path: Path) -> None:
    engine = ENGINES[name]
    if engine.server is not None and (missing := engine.server.missing()):
        pytest.skip(missing)
    schemas = []
    with started(engine) as server:
        for statements in (engine.wide(3, 20), engine.long(50)):
            with made(engine, server, statements, tmp_path) as database:
                schemas.append(_schema(database.address))
    wide, long = schemas
    assert [(table.name, len(table.columns)) for table in wide.tables] == [
        ("table_0", 21),
        ("table_1", 21),
        ("table_2", 21),
    ]
    assert [key.target for table in wide.tables for key in table.foreign_keys] == ["table_0", "table_1"]
    (sales,) = long.tables
    assert (sales.row_count, len(sales.columns)) == (50, 8)
    days = next(column for column in sales.columns if column.name == "day")
    assert (days.samples[0], days.samples[-1]) == ("2020-01-02", "2020-02-20")


def _schema(address: str) -> DatabaseSchema:
    with closing(DatabaseRegistry()) as registry:
        registry.register("made", kind_of("made", address), address)
        return registry.schema("made")


def test_costs_are_told_by_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An engine that isn't installed is said and left out."""
    monkeypatch.setattr(MariadbServer, "missing", staticmethod(lambda: "there is none here"))
    small = ["--tables", "2", "--table-rows", "10", "--rows", "30"]
    engines = ["--engines", "sqlite,mariadb,postgresql"]
    assert main(["databases", *engines, *small, "--json", str(tmp_path / "found.json")]) == 0
    assert "MariaDB is left out: there is none here" in capsys.readouterr().out
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert [(row["engine"], row["database"]) for row in rows] == [
        ("SQLite", "2 tables"),
        ("SQLite", "30 rows"),
        ("PostgreSQL", "2 tables"),
        ("PostgreSQL", "30 rows"),
    ]
    assert [row["cost"]["tables"] for row in rows] == [2, 1, 2, 1]
    assert all(row["cost"]["values"] > 0 for row in rows)
    for row in rows:
        for reading in (row["cost"]["schema"], row["cost"]["index"]):
            assert reading["wall_seconds"] > 0
            assert reading["own_cpu_seconds"] > 0
    assert all(row["cost"]["schema"]["server_cpu_seconds"] == 0 for row in rows[:2])


def test_an_unknown_engine_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that are known."""
    assert main(["databases", "--engines", "sqlite,oracle"]) == 2
    assert "--engines: unknown: oracle; known: sqlite, duckdb," in capsys.readouterr().err
