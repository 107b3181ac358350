"""Servers of databases for tests, one of each a session; whoever stops one starts it again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from launch.bench.databases.local_server import running
from launch.bench.databases.mariadb_server import MariadbServer
from launch.bench.databases.postgresql_server import PostgresqlServer


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A running PostgreSQL, from a package that ``make setup`` installs."""
    missing = PostgresqlServer.missing()
    assert missing is None, missing
    with running(PostgresqlServer) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """A running MariaDB; the test is skipped where that isn't installed."""
    if missing := MariadbServer.missing():
        pytest.skip(missing)
    with running(MariadbServer) as server:
        yield server
