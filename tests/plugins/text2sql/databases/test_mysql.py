"""What only MySQL and MariaDB have: their types, users and collations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from launch.bench.databases.mariadb_server import MariadbServer
from plugins.text2sql.databases.database import ValueSpan
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.mysql import mysql_values
from plugins.text2sql.databases.mysql.mysql_database import MysqlDatabase
from plugins.text2sql.databases.schema import Kind, render
from plugins.text2sql.databases.value_scan import ScanLimits, scan_values
from tests.plugins.text2sql.databases.conftest import Shops
from tests.plugins.text2sql.databases.mariadb_shop import NAME
from tests.plugins.text2sql.databases.running_statements import AMPLE
from tests.plugins.text2sql.databases.server_kinds import scratch, tables_of

pytestmark = pytest.mark.slow


@pytest.fixture
def server(with_mariadb: MariadbServer) -> MariadbServer:
    return with_mariadb


@pytest.fixture
def registry(shops: Shops, server: MariadbServer) -> Iterator[DatabaseRegistry]:
    with closing(shops.registry(NAME)) as registry:
        yield registry


async def test_types_reach_json(registry: DatabaseRegistry) -> None:
    """MariaDB's JSON is a text, and a place is its own binary form."""
    result = await registry.execute(NAME, "SELECT * FROM odd_values", AMPLE)
    assert dict(zip(result.columns, result.rows[0], strict=True)) == {
        "id": 1,
        "money": 12.5,
        "whole": "170141183460469231731687303715",
        "moment": "2025-01-31T08:30:00.250",
        "moment_there": "2025-01-31T08:30:00+00:00",
        "day": "2025-01-31",
        "hour": "08:30:00",
        "span": "-26:00:00",
        "born": 2025,
        "bits": 5,
        "bytes": "00ff",
        "struct": '{"a": 1, "b": ["x"]}',
        "mood": "cross",
        "several": "a,b",
        "place": "000000000101000000000000000000f03f0000000000000040",
        "key": "7c7ddf2c-5fd2-4ad0-9fd6-2cd5bd54e4a9",
        "net": "::1",
        "huge": 18446744073709551615,
        "ratio": 1.5e300,
        "yes": 1,
        "word": "Größe",
        "doubled": 2,
        "never": "0000-00-00",
        "nothing": None,
    }


def test_the_schema_shows_what_the_user_may_read(registry: DatabaseRegistry) -> None:
    """Comments, views and labels; neither sequences nor tables without a right, and broken views are told."""
    tables = tables_of(registry, NAME)
    assert not tables.keys() & {"secret", "counter", "broken", "archive.orders"}
    (warning,) = registry.state(NAME).warnings
    assert warning.startswith("'broken' is left out: View 'shop.broken' references")
    assert tables["open_orders"].view
    assert tables["customers"].description == "everyone who ever bought"
    columns = {column.name: column for column in tables["customers"].columns}
    assert columns["segment"].description == "consumer, business or premium"
    odd = {column.name: column for column in tables["odd_values"].columns}
    assert (odd["mood"].kind, odd["mood"].choices) == (Kind.TEXT, ("calm", "cross", "it's"))
    assert (odd["yes"].type, odd["id"].type, odd["huge"].type) == ("tinyint(1)", "int", "bigint unsigned")
    assert (odd["born"].samples, odd["never"].samples, odd["word"].samples) == ((2025,), (), ("Größe",))
    assert odd["moment_there"].samples == ("2025-01-31 08:30:00",)
    others = ("hour", "bits", "bytes", "place", "key", "net")
    assert {odd[name].kind for name in others} == {Kind.OTHER}


async def test_what_the_prompt_shows_can_be_written(registry: DatabaseRegistry) -> None:
    """Names in backquotes, a backslash doubled in a text."""
    schema = registry.schema(NAME)
    assert "CREATE TABLE `MixedCase` (" in render(schema)
    dialect = schema.dialect
    column, text = dialect.identifier('it`s "x"'), dialect.literal("back\\slash")
    result = await registry.execute(NAME, f"SELECT `order` FROM `MixedCase` WHERE {column} = {text}", AMPLE)
    assert result.rows == (("first",),)


async def test_without_a_database_all_are_known(server: MariadbServer) -> None:
    """Each table with its database; foreign keys lead from one to the other."""
    made = (
        "CREATE TABLE people (id INTEGER PRIMARY KEY); INSERT INTO people VALUES (7);"
        "CREATE TABLE jobs (person INTEGER, FOREIGN KEY (person) REFERENCES scratch.people (id))"
    )
    with scratch(server, NAME, made, database="") as registry:
        tables = tables_of(registry, NAME)
        assert {"scratch.people", "scratch.jobs", "shop.orders", "archive.orders"} <= tables.keys()
        assert tables["scratch.jobs"].foreign_keys[0].target == "scratch.people"
        result = await registry.execute(NAME, "SELECT p.id FROM scratch.people AS p", AMPLE)
        assert result.rows == ((7,),)
        unknown = await registry.execute(NAME, "SELECT * FROM scratch.poeple", AMPLE)
        assert "near: scratch.people" in (unknown.error or "")


def test_a_reader_is_not_warned_about(registry: DatabaseRegistry) -> None:
    """It may only read, and call functions."""
    registry.schema(NAME)
    assert [line for line in registry.state(NAME).warnings if "left out" not in line] == []


def test_a_user_who_may_write_is_told(server: MariadbServer) -> None:
    """The hash of the password is not."""
    with scratch(server, NAME, "CREATE TABLE t (a TEXT)") as registry:
        registry.schema(NAME)
        assert registry.state(NAME).warnings == (
            "the user has ALL PRIVILEGES, GRANT OPTION on *.*; give the server one that may only read",
        )


async def test_not_even_the_owner_can_write(server: MariadbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction only reads, the next one too, and there is one statement at a time."""
    made = (
        "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1); CREATE SEQUENCE s;"
        "CREATE FUNCTION gone() RETURNS INTEGER MODIFIES SQL DATA BEGIN DELETE FROM t; RETURN 1; END;"
        "CREATE PROCEDURE hard() BEGIN COMMIT; DELETE FROM t; END"
    )
    with scratch(server, NAME, made, max_concurrency=1) as registry:
        monkeypatch.setattr("plugins.text2sql.databases.statement.check_select", lambda text, _: text)
        monkeypatch.setattr(MysqlDatabase, "_check", lambda *_: None)
        for statement in (
            "DELETE FROM t",
            "COMMIT",
            "DELETE FROM t",
            "SET SESSION TRANSACTION READ WRITE",
            "DELETE FROM t",
            "DROP TABLE t",
            "SELECT gone()",
            "CALL hard()",
            "SELECT NEXTVAL(s)",
            "SELECT 1; DELETE FROM t",
            "TRUNCATE t",
            "CREATE TABLE u (a INTEGER)",
            "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t",
        ):
            assert not (await registry.execute(NAME, statement, AMPLE)).ok, statement
        assert (await registry.execute(NAME, "SELECT count(*) FROM t", AMPLE)).rows == ((1,),)


async def test_no_statement_leaves_settings_to_the_next(
    shops: Shops, server: MariadbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection on which something else than a SELECT ran is closed."""
    monkeypatch.setattr("plugins.text2sql.databases.statement.check_select", lambda text, _: text)
    monkeypatch.setattr(MysqlDatabase, "_check", lambda *_: None)
    with closing(shops.registry(NAME, max_concurrency=1)) as registry:
        for statement in ("SET sql_mode = 'ANSI_QUOTES'", "SET max_statement_time = 0", "SET @a = 1"):
            assert (await registry.execute(NAME, statement, AMPLE)).error == "this is no SELECT"
        asked = "SELECT @@sql_mode, @@max_statement_time > 0, @a, @@tx_read_only, @@time_zone"
        result = await registry.execute(NAME, asked, AMPLE)
    assert result.rows == (("ONLY_FULL_GROUP_BY,NO_UNSIGNED_SUBTRACTION", 1, None, 1, "+00:00"),)


def test_large_tables_are_known_in_part(server: MariadbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns of many values by their index or their first rows; the ends of numbers by index or ANALYZE."""
    made = (
        "CREATE TABLE t (n INTEGER PRIMARY KEY, name VARCHAR(20), code VARCHAR(20), kind VARCHAR(20), "
        "noted INTEGER, KEY (code));"
        "INSERT INTO t SELECT seq, CONCAT('name ', seq), CONCAT('code ', seq), CONCAT('Kind ', seq % 5), seq "
        "FROM seq_1_to_20000; ANALYZE TABLE t PERSISTENT FOR COLUMNS (noted) INDEXES ()"
    )
    with scratch(server, NAME, made) as registry:
        columns = {column.name: column for column in tables_of(registry, NAME)["t"].columns}
        assert (columns["n"].samples[0], columns["n"].samples[-1]) == (1, 20_000)
        assert (columns["noted"].samples[0], columns["noted"].samples[-1]) == (1, 20_000)
        assert columns["kind"].choices == tuple(f"Kind {i}" for i in range(5))
        database = registry.database(NAME)
        found = scan_values(database, registry.schema(NAME), ScanLimits(), lambda: False)
        assert {column.name for column in found.large} == {"name", "code"}
        assert set(found.values) == {f"Kind {i}" for i in range(5)}
        few = database.distinct("t", "code", ValueSpan(1, 64, 2_000_000), 10, lambda: False)
        assert few.more
        monkeypatch.setattr(mysql_values, "_LOOKED_AT", 5)
        monkeypatch.setattr(mysql_values, "_READ_ROWS", 7_000)
        part = database.distinct("t", "kind", ValueSpan(1, 64, 19_000), 10, lambda: False)
        assert (list(part.values), part.in_part) == ([f"Kind {i}" for i in range(5)], True)
        every = database.distinct("t", "kind", ValueSpan(1, 64, 40_000), 10, lambda: False)
        assert (list(every.values), every.in_part) == ([f"Kind {i}" for i in range(5)], False)


def test_values_are_looked_up_letter_by_letter(server: MariadbServer) -> None:
    """Whether the column tells small from capital letters or not."""
    made = (
        "CREATE TABLE t (a VARCHAR(20), b VARCHAR(20) COLLATE utf8mb4_bin, "
        "c VARCHAR(20) CHARACTER SET latin1);"
        "INSERT INTO t VALUES ('Ärger', 'mcDonald', 'Größe'), ('ärger', 'Other', 'x_y'), ('100%', 'z', 'xzy')"
    )
    with scratch(server, NAME, made) as registry:
        database = registry.database(NAME)
        assert database.equal("t", "a", ["Ärger", "it's\\"], 5, lambda: False) == ["Ärger"]
        assert database.beginning("t", "a", ["äRG"], 5, lambda: False) == ["Ärger", "ärger"]
        assert database.beginning("t", "b", ["MCD"], 5, lambda: False) == ["mcDonald"]
        assert database.beginning("t", "c", ["x_"], 5, lambda: False) == ["x_y"]
        assert database.equal("t", "c", ["Größe"], 5, lambda: False) == ["Größe"]
        assert database.equal("t", "c", [], 5, lambda: False) == ()


@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        ("SELECT name, max(price) FROM products", "or take one row with ORDER BY and LIMIT 1"),
        ("SELECT name, max(price) FROM products GROUP BY category_id", "group by each column that is shown"),
    ],
)
async def test_no_column_has_just_any_rows_value(
    registry: DatabaseRegistry, statement: str, remedy: str
) -> None:
    """It is an error that says how to mend it."""
    result = await registry.execute(NAME, statement, AMPLE)
    assert result.error_kind == "invalid"
    assert remedy in (result.error or "")


async def test_no_rows_are_cut_without_a_word(registry: DatabaseRegistry) -> None:
    """MariaDB would end a recursion after 1,000 rows, MySQL a list after 1,024 bytes."""
    days = (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT max(i) FROM n"
    )
    assert (await registry.execute(NAME, days, AMPLE)).rows == ((5000,),)
    listed = "SELECT length(group_concat(email)), count(*) FROM customers"
    length, count = (await registry.execute(NAME, listed, AMPLE)).rows[0]
    assert length > 10 * count
