"""The index of values is renewed when the database changes, and never waited for."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.databases.value_scan import ScannedValues, scan_values
from plugins.text2sql.retrieval import retrieval as module
from plugins.text2sql.retrieval import value_index
from plugins.text2sql.retrieval.matches import Matches, similar
from plugins.text2sql.retrieval.retrieval import Found, Retriever
from sched.errors import NotFoundError
from tests.plugins.text2sql.databases.running_statements import AMPLE, GUARD
from tests.waiting import block_until

SHIPPED_SECONDS = module._LOOKUP_SECONDS


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up may take as long as it does on a slow machine."""
    monkeypatch.setattr(module, "_LOOKUP_SECONDS", AMPLE)


@pytest.fixture
def path(tmp_path: Path, shop_path: Path) -> Path:
    """The shop with few rows, so that its schema and values are soon read."""
    path = tmp_path / "shop.sqlite"
    shutil.copy(shop_path, path)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("customers", "products", "reviews", "orders", "order_items", "shipments"):
            connection.execute(f"DELETE FROM {table} WHERE id > 60")
        connection.execute("INSERT INTO suppliers VALUES (61, 'Goods', 'Cork', 'Ireland', '2020-01-01')")
        connection.commit()
    return path


@pytest.fixture
def registry(path: Path) -> Iterator[DatabaseRegistry]:
    with closing(DatabaseRegistry()) as registry:
        registry.register("shop", SqliteDatabase, str(path))
        yield registry


@pytest.fixture
def retriever(registry: DatabaseRegistry) -> Iterator[Retriever]:
    with closing(Retriever(registry)) as retriever:
        yield retriever


def held_scans(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let scans of a database begin only when the event that is returned is set."""
    release = threading.Event()

    def held(*arguments: Any) -> ScannedValues:
        assert release.wait(GUARD)
        return scan_values(*arguments)

    monkeypatch.setattr(value_index, "scan_values", held)
    return release


def made(retriever: Retriever) -> Retriever:
    retriever.prepare("shop")
    block_until(lambda: retriever.ready("shop"))
    return retriever


async def test_a_question_before_the_index_is_ready_goes_on(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the index is made nothing is found, at once, and the note says why; afterwards all is."""
    release = held_scans(monkeypatch)
    retriever.prepare("shop")
    found = await retriever.values("shop", ["Germany"])
    assert found.lines == ()
    assert "still being made" in (found.note or "")
    assert not retriever.ready("shop")
    assert "reviews.rating" in (await retriever.columns("shop", ["rating"])).lines
    release.set()
    block_until(lambda: retriever.ready("shop"))
    assert (await retriever.values("shop", ["Germany"])).lines


async def test_a_look_up_that_takes_too_long_is_given_up(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question goes on without it, and the note says why."""
    assert SHIPPED_SECONDS == 2
    monkeypatch.setattr(module, "_LOOKUP_SECONDS", 0.01)
    with retriever._lock:  # the look-up waits for it
        found = await retriever.values("shop", ["Germany"])
    assert found == Found(note="a look-up took longer than 0.01 s and was given up")


async def test_a_changed_file_gets_a_new_index(
    retriever: Retriever, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old index serves, with a note, until the new one is there."""
    made(retriever)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE suppliers SET country = 'Finland' WHERE id = 61")
        connection.commit()
    os.utime(path, (time.time() + 5, time.time() + 5))
    release = held_scans(monkeypatch)
    found = await retriever.values("shop", ["Germany"])
    assert found.lines
    assert "made anew" in (found.note or "")
    release.set()
    block_until(lambda: retriever.ready("shop"))
    assert (await retriever.values("shop", ["Finlande"])).lines == ("suppliers.country = 'Finland'",)
    assert (await retriever.values("shop", ["Ireland"])).lines == ()


async def test_the_old_index_is_told_though_the_new_one_is_ready_meanwhile(
    retriever: Retriever, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note belongs to what was looked up."""
    made(retriever)
    os.utime(path, (time.time() + 5, time.time() + 5))
    release = held_scans(monkeypatch)

    def slow(*arguments: Any) -> Matches:
        release.set()
        block_until(lambda: retriever.ready("shop"))
        return similar(*arguments)

    monkeypatch.setattr(module, "similar", slow)
    assert "made anew" in ((await retriever.values("shop", ["Germany"])).note or "")
    assert (await retriever.values("shop", ["Germany"])).note is None


async def test_a_file_that_is_gone_is_told(retriever: Retriever, path: Path) -> None:
    """The old index serves on; an unknown database is the caller's mistake."""
    made(retriever)
    os.unlink(path)
    found = await retriever.values("shop", ["Germany"])
    assert found.lines
    assert "can't be checked" in (found.note or "")
    with pytest.raises(NotFoundError):
        retriever.prepare("shpo")


async def test_columns_follow_the_schema(
    retriever: Retriever, registry: DatabaseRegistry, path: Path
) -> None:
    """A column that was added is found once the schema was read again."""
    new = "customers.loyalty_points"
    assert new not in (await retriever.columns("shop", ["loyalty points"])).lines
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE customers ADD COLUMN loyalty_points INTEGER")
        connection.commit()
    assert registry.refresh("shop")
    assert new in (await retriever.columns("shop", ["loyalty points"])).lines
