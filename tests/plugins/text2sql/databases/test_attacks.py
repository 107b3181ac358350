"""Nothing but reading is possible: for the check of statements, and for the database without the check."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launch.bench.databases.mariadb_server import MariadbServer
from launch.bench.databases.postgresql_server import PostgresqlServer
from plugins.text2sql.databases import statement as statement_module
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.mysql.mysql_database import MysqlDatabase
from plugins.text2sql.databases.postgresql.postgresql_database import PostgresqlDatabase
from tests.plugins.text2sql.databases.attack_outcomes import CHECKED, ENDLESS, HARMLESS, REFUSED, STOPPED
from tests.plugins.text2sql.databases.attacks import TABLE, listed
from tests.plugins.text2sql.databases.conftest import Shops
from tests.plugins.text2sql.databases.mysql_attacks import MARIADB
from tests.plugins.text2sql.databases.running_statements import AMPLE

SOON = 0.3
"""Seconds after which what never ends is stopped."""
ALL = {**TABLE, "mariadb": MARIADB}
ATTACKS = [
    pytest.param(
        kind,
        outcome,
        statement,
        id=f"{kind}: {guarantee}: {statement[:60]}",
        marks=[pytest.mark.slow] if kind == "mariadb" else [],
    )
    for kind, guarantee, outcome, statement in listed(ALL)
]
_STATE = """
SELECT string_agg(format('%s %s %s', c.oid::regclass, c.relkind, obj_description(c.oid)), ',' ORDER BY c.oid)
FROM pg_class AS c WHERE c.oid >= 16384
UNION ALL SELECT string_agg(format('%s %s', rolname, rolsuper), ',' ORDER BY rolname) FROM pg_roles
UNION ALL SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_largeobject_metadata
UNION ALL SELECT string_agg(format('%s', r), ',') FROM (SELECT * FROM counter) AS r
UNION ALL SELECT string_agg(format('%s %s', grantee, privilege_type), ',')
FROM information_schema.table_privileges WHERE grantee = 'reader'
"""
_OF_MARIADB = (
    "SELECT table_schema, table_name, table_comment FROM information_schema.tables "
    "WHERE table_schema IN ('shop', 'archive')",
    "SELECT * FROM mysql.proc",
    "SELECT next_not_cached_value FROM counter",
    "SELECT * FROM archive.orders",
    "SHOW EVENTS",
    "SHOW TRIGGERS",
    "SELECT @@global.max_connections",
)
_CONTENT = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {} AS t"


def postgresql_state(server: PostgresqlServer) -> list[Any]:
    """Return everything that an attack might change."""
    with server.connect("shop") as connection:
        names = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE oid >= 16384 AND relkind = 'r' ORDER BY oid"
        ).fetchall()
        contents = [connection.execute(_CONTENT.format(name).encode()).fetchall() for (name,) in names]
        return [connection.execute(_STATE.encode()).fetchall(), *contents]


def file_state(address: str) -> list[str]:
    """Return a hash of a file and the names beside it."""
    path = Path(address.removeprefix("duckdb:///"))
    beside = sorted(file.name for file in path.parent.iterdir())
    return [hashlib.sha256(path.read_bytes()).hexdigest(), *beside]


def mariadb_state(server: MariadbServer) -> list[Any]:
    """Return everything that an attack might change."""
    found: list[Any] = [sorted(path.name for path in server.files.iterdir())]
    with server.asked("shop") as cursor:
        for query in ("SHOW FULL TABLES", "SELECT * FROM mysql.global_priv", "SHOW DATABASES", *_OF_MARIADB):
            cursor.execute(query)
            found.append(cursor.fetchall())
        names = ", ".join(f"`{name}`" for name, kind in found[1] if kind == "BASE TABLE")
        cursor.execute(f"CHECKSUM TABLE {names}")
        return [*found, cursor.fetchall()]


class Attacked:
    """Registries of each kind, and what their databases were before the attacks."""

    def __init__(self, shops: Shops) -> None:
        self._shops = shops
        self._states: dict[str, tuple[Callable[[], list[Any]], list[Any]]] = {}
        self._opened: dict[tuple[str, float], DatabaseRegistry] = {}

    def registry(self, kind: str, state: Callable[[], list[Any]], max_seconds: float) -> DatabaseRegistry:
        if kind not in self._states:
            self._states[kind] = state, state()
        if (kind, max_seconds) not in self._opened:
            self._opened[kind, max_seconds] = self._shops.registry(kind, max_seconds=max_seconds)
        return self._opened[kind, max_seconds]

    def end(self) -> None:
        for registry in self._opened.values():
            registry.close()
        for state, before in self._states.values():
            assert state() == before


@pytest.fixture(scope="module")
def attacked(shops: Shops) -> Iterator[Attacked]:
    """After all attacks, the databases are what they were."""
    attacked = Attacked(shops)
    yield attacked
    attacked.end()


@pytest.fixture
def registry(
    request: pytest.FixtureRequest, shops: Shops, kind: str, outcome: str, attacked: Attacked
) -> DatabaseRegistry:
    """The database of a kind; its own time limit is short for what only that may end."""
    max_seconds = SOON if outcome in (STOPPED, HARMLESS) else AMPLE
    if kind in ("sqlite", "duckdb"):
        return attacked.registry(kind, lambda: file_state(shops.addresses[kind]), max_seconds)
    server = request.getfixturevalue(f"{kind}_server")
    state = postgresql_state if kind == "postgresql" else mariadb_state
    return attacked.registry(kind, lambda: state(server), max_seconds)


def test_there_are_enough_attacks() -> None:
    """At least 60 on each kind, none twice; at least 250 different ones in all."""
    attacks = list(listed(ALL))
    assert len({statement for *_, statement in attacks}) >= 250
    assert all(count >= 60 for count in Counter(kind for kind, *_ in attacks).values())
    assert len(set(attacks)) == len(attacks)


@pytest.mark.parametrize(("kind", "outcome", "statement"), ATTACKS, indirect=["kind"])
async def test_the_check_refuses(registry: DatabaseRegistry, kind: str, outcome: str, statement: str) -> None:
    """Before the database sees it, or because there is no such thing for a reader."""
    result = await registry.execute(kind, statement, SOON if outcome == ENDLESS else AMPLE)
    assert not result.ok
    if outcome == ENDLESS:
        assert result.error_kind == "timeout", result.error
    elif outcome != REFUSED:
        assert result.error_kind == "rejected", result.error


@pytest.mark.parametrize(("kind", "outcome", "statement"), ATTACKS, indirect=["kind"])
async def test_the_connection_refuses(
    registry: DatabaseRegistry, kind: str, outcome: str, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any check, the role, the transaction and the server's limits still hold."""
    monkeypatch.setattr(statement_module, "check_select", lambda text, _: text)
    for checked in (PostgresqlDatabase, MysqlDatabase):
        monkeypatch.setattr(checked, "_check", lambda *_: None)
    if outcome == CHECKED:
        return
    result = await registry.execute(kind, statement, SOON if outcome == ENDLESS else AMPLE)
    if outcome in (STOPPED, ENDLESS):
        assert result.error_kind == "timeout", result.error
    elif outcome == REFUSED:
        assert result.error_kind in ("rejected", "invalid"), result.error
    else:
        assert outcome == HARMLESS


@pytest.mark.parametrize("outcome", [REFUSED])
@pytest.mark.parametrize("kind", ["postgresql", "duckdb"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n",
        "SELECT date_trunc('month', ordered_on) AS m, sum(total) FROM orders GROUP BY 1 ORDER BY 1 LIMIT 2",
        "SELECT string_agg(name, '; ' ORDER BY name) FROM categories",
        "SELECT count(*) FILTER (WHERE rating = 5), percentile_cont(0.5) WITHIN GROUP (ORDER BY rating) "
        "FROM reviews",
        "SELECT extract(year FROM ordered_on) AS y, count(*) FROM orders GROUP BY 1 ORDER BY 1",
        "SELECT coalesce(max(delivered_on), DATE '2000-01-01') - min(shipped_on) FROM shipments",
        "SELECT lower(substring(name FROM 1 FOR 3)), trim(name), round(price * 1.1, 1) FROM products LIMIT 2",
        "SELECT * FROM generate_series(1, 3) AS g(i)",
        "SELECT random() >= 0, now() IS NOT NULL, current_date IS NOT NULL, gen_random_uuid() IS NOT NULL",
        "SELECT lag(total) OVER (PARTITION BY customer_id ORDER BY id) FROM orders ORDER BY id LIMIT 3",
        "SELECT DISTINCT ON (country) country, city FROM customers ORDER BY country, city",
        "SELECT note FROM archive.orders ORDER BY id",
        'SELECT "Group", "a b" FROM "Odd Schema"."Select" ORDER BY 2',
        'SELECT "order" FROM "MixedCase"',
        "SELECT regexp_replace(email, '@.*', '') FROM customers LIMIT 1",
        "SELECT * FROM open_orders LIMIT 1",
        "SELECT mood FROM odd_values WHERE mood = 'cross'",
        "SELECT list[1] FROM odd_values",
    ],
)
async def test_what_answers_need_runs(
    registry: DatabaseRegistry, kind: str, outcome: str, statement: str
) -> None:
    """The guards leave windows, aggregates, dates, schemas and quoted names alone."""
    result = await registry.execute(kind, statement, AMPLE)
    assert result.ok, result.error
    assert result.rows
