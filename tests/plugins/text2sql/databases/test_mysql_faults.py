"""MySQL and MariaDB when something goes wrong: servers that come and go, statements that would never end."""

from __future__ import annotations

import asyncio
import signal
from contextlib import closing

import psutil
import pymysql
import pytest

from launch.database_kinds import kind_of
from plugins.text2sql.databases.database import ValueSpan
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from sched.errors import UnavailableError
from tests.mariadb_server import MariadbServer
from tests.plugins.text2sql.databases.conftest import Shops
from tests.plugins.text2sql.databases.mariadb_shop import NAME, scratch, tables_of
from tests.plugins.text2sql.databases.running_statements import (
    AMPLE,
    CROSS_JOIN,
    MovedTime,
    running,
    until,
    until_idle,
)
from tests.plugins.text2sql.databases.shops import READER, READER_PASSWORD

pytestmark = pytest.mark.slow


@pytest.fixture
def server(with_mariadb: MariadbServer) -> MariadbServer:
    return with_mariadb


async def test_an_answer_that_is_cut_costs_nothing_more(shops: Shops, server: MariadbServer) -> None:
    """The server isn't asked for the other rows, and the next statement runs."""
    with closing(shops.registry(NAME, max_rows=3, max_concurrency=1)) as registry:
        endless = "SELECT a.id FROM order_items AS a, order_items AS b, order_items AS c"
        for _ in range(4):
            result = await registry.execute(NAME, endless, AMPLE)
            assert (len(result.rows), result.truncated) == (3, True)
        assert (await registry.execute(NAME, "SELECT 1", AMPLE)).rows == ((1,),)


def test_a_reading_can_be_stopped(server: MariadbServer) -> None:
    """Also one that the server would go on with for ever."""
    made = (
        "CREATE VIEW slow AS SELECT CONCAT('w', a.seq + b.seq) AS word FROM seq_1_to_1000000 AS a, "
        "seq_1_to_1000000 AS b"
    )
    with scratch(server, made) as registry:
        database = registry.database(NAME)
        for read in (database.equal, database.beginning):
            with pytest.raises(UnavailableError):
                read("slow", "word", ["a"], 5, lambda: True)
        with pytest.raises(UnavailableError):
            database.distinct("slow", "word", ValueSpan(1, 3, 10**9), 10**7, lambda: True)


def test_a_column_that_takes_too_long_has_no_values(server: MariadbServer) -> None:
    """It doesn't keep the others from being indexed."""
    made = (
        "CREATE VIEW slow AS SELECT SLEEP(1000) AS word FROM seq_1_to_10; CREATE TABLE t (a VARCHAR(9));"
        "INSERT INTO t VALUES ('x')"
    )
    with scratch(server, made, max_seconds=0.2) as registry:
        assert not tables_of(registry)["slow"].columns[0].samples
        read = registry.database(NAME).distinct("slow", "word", ValueSpan(1, 64, 1000), 5, lambda: False)
        assert (list(read.values), read.in_part) == ([], True)


@pytest.mark.parametrize(
    ("database", "password", "reason"),
    [
        ("shop", "wrong-password", "Access denied for user"),
        ("nowhere", READER_PASSWORD, "Access denied for user .* to database"),
    ],
)
async def test_what_cannot_be_opened_says_why(
    server: MariadbServer, database: str, password: str, reason: str
) -> None:
    """In schema and statements, without the password."""
    with closing(DatabaseRegistry()) as registry:
        address = server.address(database, READER, password)
        registry.register(NAME, kind_of(NAME, address), address)
        with pytest.raises(UnavailableError, match=reason) as caught:
            registry.schema(NAME)
        result = await registry.execute(NAME, "SELECT 1", AMPLE)
    assert result.error_kind == "unavailable"
    assert password not in f"{caught.value} {result.error} {registry.state(NAME)}"


async def test_a_server_may_end_and_start_again(server: MariadbServer, shops: Shops) -> None:
    """Meanwhile questions get an error, others are served, and the state says so; then it comes back."""
    with closing(shops.registry(NAME, "duckdb", max_concurrency=2)) as registry:
        schema = registry.schema(NAME)
        endless = asyncio.create_task(registry.execute(NAME, CROSS_JOIN, AMPLE))
        await until(lambda: running(registry) == 1)
        try:
            server.stop()
            assert (await endless).error_kind == "unavailable"
            down = await registry.execute(NAME, "SELECT count(*) FROM orders", AMPLE)
            assert down.error_kind == "unavailable"
            assert "Connection refused" in (down.error or "")
            registry.refresh(NAME)
            assert registry.names() == ("duckdb",)
            assert "Connection refused" in (registry.state(NAME).reason or "")
            assert (await registry.execute("duckdb", "SELECT 1", AMPLE)).ok
            assert registry.schema(NAME) is schema
        finally:
            server.start()
        assert (await registry.execute(NAME, "SELECT count(*) FROM orders", AMPLE)).rows == ((4500,),)
        registry.refresh(NAME)
        assert registry.names() == (NAME, "duckdb")


async def test_a_server_that_is_down_at_the_start_is_found_later(server: MariadbServer, shops: Shops) -> None:
    """By the refresher."""
    server.stop()
    try:
        with closing(shops.registry(NAME)) as registry:
            with pytest.raises(UnavailableError, match="Connection refused"):
                registry.schema(NAME)
            assert not registry.refresh(NAME)
            server.start()
            assert registry.refresh(NAME)
            assert "orders" in tables_of(registry)
    finally:
        if not _runs(server):
            server.start()


def _runs(server: MariadbServer) -> bool:
    try:
        server.connect().close()
    except pymysql.OperationalError:
        return False
    return True


async def test_a_server_that_stands_still_holds_nobody(server: MariadbServer, shops: Shops) -> None:
    """The statement ends at its limit, and soon its thread is free: the connection is cut."""
    clock = MovedTime(asyncio.get_running_loop())
    with closing(shops.registry(NAME, "duckdb", max_concurrency=1, clock=clock)) as registry:
        assert (await registry.execute(NAME, "SELECT 1", AMPLE)).ok
        process = psutil.Process(server.pid)
        answer = asyncio.create_task(registry.execute(NAME, CROSS_JOIN, 5000))
        await until(lambda: running(registry) == 1)
        process.send_signal(signal.SIGSTOP)
        try:
            clock.advance(5000)
            assert (await answer).error_kind == "timeout"
            await until_idle(registry)
            assert (await registry.execute("duckdb", "SELECT 1", AMPLE)).ok
        finally:
            process.send_signal(signal.SIGCONT)
        assert (await registry.execute(NAME, "SELECT 1", AMPLE)).ok
