"""Prompts ask for SQL in the database's dialect."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import pytest

from plugins.text2sql.databases.dialect import STANDARD, Dialect
from plugins.text2sql.databases.duckdb.duckdb_dialect import DUCKDB
from plugins.text2sql.databases.mysql.mysql_dialect import MARIADB, MYSQL
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.profile import Compact, Full, Profile
from plugins.text2sql.prompts.worked_examples import ExampleDatabase, example_databases

PROFILES = (Compact(), Full())


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: type(profile).__name__)
@pytest.mark.parametrize(
    "dialect", [POSTGRESQL, DUCKDB, MYSQL, MARIADB, STANDARD], ids=lambda dialect: dialect.title
)
def test_no_other_dialect_is_named(profile: Profile, dialect: Dialect) -> None:
    """Its name stands in every template that asks for SQL, with how it writes dates."""
    prompts = profile.prompts_in(dialect)
    for style in prompts.styles:
        assert f"one SELECT statement for {dialect.title}." in style.template
        assert dialect.dates in style.template
    text = repr(prompts)
    assert f"a {dialect.title} database" in text
    assert "sqlite" not in text.lower()
    assert "strftime" not in text


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: type(profile).__name__)
def test_sqlites_are_the_profiles(profile: Profile) -> None:
    """A database of SQLite is asked as before."""
    assert profile.prompts_in(SQLITE) == profile.prompts
    assert "one SELECT statement for SQLite." in profile.prompts.styles[0].template


def test_every_example_that_is_kept_runs_elsewhere() -> None:
    """With the same rows; few are left out."""
    with example_databases() as everything, example_databases(portable=True) as databases:
        left_out = sum(len(database.examples) for database in everything)
        for database in databases:
            left_out -= len(database.examples)
            copy = duckdb.connect()
            _copy(database, copy)
            for example in database.examples:
                expected = database.run(example.sql).rows
                found = copy.execute(example.sql).fetchall()
                assert found
                assert alike(found) == alike(expected), example.ask
            copy.close()
    assert 0 < left_out < 6


def alike(rows: Iterable[Iterable[object]]) -> list[list[str]]:
    """Return rows in any order, whatever type their numbers have."""
    return sorted(
        [f"{cell:.4f}" if isinstance(cell, int | float) else str(cell) for cell in row] for row in rows
    )


def _copy(database: ExampleDatabase, into: duckdb.DuckDBPyConnection) -> None:
    for table in database.schema.tables:
        columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        into.execute(f"CREATE TABLE {table.name} ({columns})")
        rows = database.run(f"SELECT * FROM {table.name}").rows
        into.executemany(f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(rows[0]))})", list(rows))
