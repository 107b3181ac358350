"""A server of Sluice whose databases lie on servers: what it says of them, and what it keeps to itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from launch.bench.databases.postgresql_server import PostgresqlServer
from launch.served_databases import open_all, served
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema_watch import SchemaWatch
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.text2sql.program import Text2Sql
from plugins.text2sql.retrieval.retrieval import Retriever
from plugins.workflow_kind import Resources
from tests.launch.api.api_stack import api_stack
from tests.plugins.text2sql.databases.awkward import TRADE, made
from tests.waiting import GUARD_SECONDS, block_until, reached

UNREACHABLE = "postgresql://reader:s3cret-word@127.0.0.1:9/shop"


@pytest.fixture
def books(postgresql_server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a small database, its password in the environment."""
    monkeypatch.setenv("BOOKS_PASSWORD", PostgresqlServer.OWNER)
    postgresql_server.create("books")
    postgresql_server.script(
        "CREATE TABLE titles (title text); INSERT INTO titles VALUES ('Moby Dick')", "books"
    )
    yield postgresql_server.address("books", PostgresqlServer.OWNER, "${BOOKS_PASSWORD}")
    postgresql_server.drop("books")


@pytest.fixture
def registry() -> Iterator[DatabaseRegistry]:
    with closing(DatabaseRegistry()) as registry:
        yield registry


def test_one_that_cannot_be_reached_leaves_the_others(
    registry: DatabaseRegistry, books: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is listed with the reason; neither this nor the log has the password."""
    addresses = {"far": UNREACHABLE, "books": books, "good": str(made(tmp_path / "good.sqlite", TRADE))}
    open_all(registry, addresses, {})
    far, near, good = served(registry, addresses)
    assert (far.name, far.kind, far.state) == ("far", "postgresql", "unavailable")
    assert "Connection refused" in (far.reason or "")
    assert (near.state, good.state) == ("ready", "ready")
    assert near.warnings[0] == "the role is superuser; give the server one that may only read"
    assert "the role is superuser" in caplog.text
    assert "s3cret-word" not in f"{far} {caplog.text}"


async def test_the_api_lists_it_and_refuses_questions(registry: DatabaseRegistry) -> None:
    """With status 503 and the reason, at once."""
    open_all(registry, {"far": UNREACHABLE}, {})
    registry.refresh("far")
    workflow = Text2Sql(Resources(registry, Compact(), Text2SqlOptions()))
    async with api_stack(workflow=workflow) as api:
        object.__setattr__(
            api.app.state.services, "databases", lambda: served(registry, {"far": UNREACHABLE})
        )
        listed = (await api.client.get("/v1/databases")).json()
        refused = await api.client.post("/v1/text2sql", json={"question": "How many?", "database": "far"})
    assert listed["databases"] == []
    assert listed["details"][0]["state"] == "unavailable"
    assert refused.status_code == 503
    assert "s3cret-word" not in f"{listed} {refused.text}"


async def test_the_api_lists_a_server_that_ends_and_comes_back(
    registry: DatabaseRegistry, books: str, postgresql_server: PostgresqlServer
) -> None:
    """With the reason while it is away; questions to it are refused then, though its schema is known."""
    addresses = {"books": books}
    open_all(registry, addresses, {})
    watch = SchemaWatch(registry, period_seconds=0.01)
    watch.start()
    try:
        async with api_stack() as api:
            object.__setattr__(api.app.state.services, "databases", lambda: served(registry, addresses))

            async def details() -> dict[str, Any]:
                answer = (await api.client.get("/v1/databases")).json()
                return dict(answer["details"][0])

            assert (await details())["state"] == "ready"
            postgresql_server.stop()
            try:
                await reached(lambda: registry.names() == ())
                away = await details()
                assert away["state"] == "unavailable"
                assert away["reason"]
                asked = {"question": "How many?", "database": "books"}
                refused = await api.client.post("/v1/text2sql", json=asked)
                assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
                assert away["reason"] in refused.json()["error"]["message"]
            finally:
                postgresql_server.start()
            await reached(lambda: registry.names() == ("books",))
            assert (await details())["state"] == "ready"
    finally:
        watch.close()


def test_a_file_that_another_process_writes_to_says_so(registry: DatabaseRegistry, tmp_path: Path) -> None:
    """DuckDB locks it; it is opened once the writer has ended."""
    path = tmp_path / "shop.duckdb"
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); c.execute('CREATE TABLE t AS SELECT 1 AS a'); "
    code += "print('open', flush=True); input()"
    addresses = {"shop": f"duckdb:///{path}"}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            open_all(registry, addresses, {})
            (shop,) = served(registry, addresses)
        finally:
            writer.communicate("\n", timeout=GUARD_SECONDS)
    assert shop.state == "unavailable"
    assert "lock" in (shop.reason or "")
    assert registry.refresh("shop")
    assert registry.names() == ("shop",)


def test_a_watch_finds_what_changed(
    registry: DatabaseRegistry, books: str, postgresql_server: PostgresqlServer
) -> None:
    """A new table is in the schema, and a server that ended is unavailable until it runs again."""
    open_all(registry, {"books": books}, {})
    changed: list[str] = []
    watch = SchemaWatch(registry, period_seconds=0.01, changed=changed.append)
    watch.start()
    try:
        registry.schema("books")
        postgresql_server.script("CREATE TABLE authors (name text)", "books")
        block_until(lambda: len(registry.schema("books").tables) == 2)
        block_until(lambda: "books" in changed)
        postgresql_server.stop()
        try:
            block_until(lambda: registry.names() == ())
        finally:
            postgresql_server.start()
        block_until(lambda: registry.names() == ("books",))
    finally:
        watch.close()


async def test_values_of_a_server_are_found(registry: DatabaseRegistry, books: str) -> None:
    """By the same retrieval, written in its dialect."""
    open_all(registry, {"books": books}, {})
    with closing(Retriever(registry)) as retriever:
        retriever.prepare("books")
        await reached(lambda: retriever.ready("books"))
        found = await retriever.values("books", ["moby dick"], "Who wrote Moby Dick?")
    assert found.lines == ("titles.title = 'Moby Dick'",)
