"""The shop in every kind of database, made once a session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launch.bench.databases.mariadb_server import MariadbServer
from launch.bench.databases.postgresql_server import PostgresqlServer
from launch.database_kinds import kind_of
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from tests.plugins.text2sql.databases.mariadb_shop import mariadb_shop
from tests.plugins.text2sql.databases.shops import (
    add_virtual_tables,
    duckdb_shop,
    postgresql_shop,
    sqlite_shop,
)

MARIADB = pytest.param("mariadb", marks=pytest.mark.slow)
KINDS = ("sqlite", "duckdb", "postgresql", MARIADB)
"""The kinds that the conformance suite runs over."""


@dataclass(frozen=True, slots=True)
class Shops:
    """The addresses of the shop by kind."""

    addresses: dict[str, str]

    def registry(self, *kinds: str, **limits: Any) -> DatabaseRegistry:
        """Return a registry with the shop of each of ``kinds`` under the kind's name."""
        registry = DatabaseRegistry(**limits)
        for kind in kinds:
            address = self.addresses[kind]
            registry.register(kind, kind_of(kind, address), address)
        return registry


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory, postgresql_server: PostgresqlServer) -> Shops:
    """The shop in every kind of database."""
    folder = tmp_path_factory.mktemp("shops")
    sqlite = sqlite_shop(folder)
    duckdb = duckdb_shop(Path(sqlite), folder)
    postgresql = postgresql_shop(Path(sqlite), postgresql_server)
    add_virtual_tables(sqlite)
    return Shops({"sqlite": sqlite, "duckdb": duckdb, "postgresql": postgresql})


@pytest.fixture(scope="session")
def with_mariadb(
    shops: Shops, mariadb_server: MariadbServer, tmp_path_factory: pytest.TempPathFactory
) -> MariadbServer:
    """The shop in MariaDB, too; the test is skipped where that isn't installed."""
    plain = Path(sqlite_shop(tmp_path_factory.mktemp("plain")))  # without SQLite's own kinds of tables
    shops.addresses["mariadb"] = mariadb_shop(plain, mariadb_server)
    return mariadb_server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Every kind in turn; the server of one that not every machine has is started when it is asked for."""
    if request.param == "mariadb":
        request.getfixturevalue("with_mariadb")
    return str(request.param)


@pytest.fixture
def shop(shops: Shops, kind: str) -> Iterator[DatabaseRegistry]:
    """A registry with the shop of one kind, under the kind's name."""
    with closing(shops.registry(kind, max_concurrency=2)) as registry:
        yield registry
