"""No password in the address of a database is shown, whoever speaks."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import closing
from typing import Any, ClassVar

import pytest

from plugins.text2sql.databases.address import cleared, shown, without_folders
from plugins.text2sql.databases.database import Interruptible, Rows, StatementError
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import DatabaseSchema
from sched.errors import ConfigError, UnavailableError
from tests.plugins.text2sql.databases.ledger import Ledger
from tests.plugins.text2sql.databases.running_statements import AMPLE

ADDRESS = "ledger://user:s%40cret@host/books?sslpassword=other&mode=ro"
SAID = f"can't connect to {ADDRESS} with s%40cret (s@cret), other"
CLEARED = "can't connect to ledger…host/books… with … (…), …"


@pytest.mark.parametrize(
    ("address", "message", "expected"),
    [
        (ADDRESS, SAID, CLEARED),
        ("pg://u:a@h/d", "a bad day at pg://u:a@h/d", "… bad day at pg…h/d"),
        ("pg://u:p?q@w@h/d", "p?q@w is wrong", "… is wrong"),
        ("pg://u:pw@h/d", "pwd, spw and pw", "pwd, spw and …"),
        ("pg://u@h/d", "no password for u", "no password for u"),
        ("pg://h/d?user=me", "me at h", "me at h"),
        ("/data/a:b@c?d", "/data/a:b@c?d is gone", "/data/a:b@c?d is gone"),
    ],
)
def test_a_message_is_cleared_of_what_an_address_hides(address: str, message: str, expected: str) -> None:
    """As it is written or meant, whole or alone; words that merely contain it stay, and so do paths."""
    assert cleared(message, [address]) == expected


def test_a_message_without_addresses_stays() -> None:
    """Nothing is guessed."""
    assert cleared("is it up? a@b: no", []) == "is it up? a@b: no"
    assert "cret" not in shown(ADDRESS)


class Talkative(Ledger):
    """Says all it knows, in whatever goes wrong."""

    refuses: ClassVar = ""

    def __init__(self, address: str, *rest: Any) -> None:
        if self.refuses == "opening":
            raise ConfigError(SAID)
        super().__init__(address, *rest)

    def introspect(self) -> DatabaseSchema:
        if self.refuses == "reading":
            raise UnavailableError(SAID)
        return super().introspect()

    def run(self, statement: str, interruptible: Interruptible) -> Rows:
        raise StatementError("unavailable", SAID)


@pytest.fixture
def registry() -> Iterator[DatabaseRegistry]:
    with closing(DatabaseRegistry()) as registry:
        yield registry


def test_a_database_that_cannot_be_opened_shows_no_password(
    registry: DatabaseRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in its state nor in errors and their tracebacks."""
    monkeypatch.setattr(Talkative, "refuses", "opening")
    registry.register("books", Talkative, ADDRESS, required=False)
    assert [state.reason for state in registry.states()] == [CLEARED]
    with pytest.raises(UnavailableError, match="can't connect to ledger…host") as caught:
        registry.schema("books")
    assert "cret" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(ConfigError) as refused:
        registry.register("more", Talkative, ADDRESS)
    assert "cret" not in "".join(traceback.format_exception(refused.value))


def test_a_database_that_cannot_be_read_shows_no_password(
    registry: DatabaseRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in its state nor in the error."""
    monkeypatch.setattr(Talkative, "refuses", "reading")
    registry.register("books", Talkative, ADDRESS)
    with pytest.raises(UnavailableError) as caught:
        registry.schema("books")
    assert "cret" not in "".join(traceback.format_exception(caught.value))
    assert [state.reason for state in registry.states()] == [CLEARED]


async def test_a_statement_that_fails_shows_no_password(registry: DatabaseRegistry) -> None:
    """The model and the client read its error."""
    registry.register("books", Talkative, ADDRESS)
    result = await registry.execute("books", "SELECT 1", AMPLE)
    assert (result.error_kind, result.error) == ("unavailable", CLEARED)


@pytest.mark.parametrize(
    ("message", "address", "told"),
    [
        ("/data/my shops/a.sqlite can't be read", "/data/my shops/a.sqlite", "a.sqlite can't be read"),
        ('file "/data/my shops/a.duckdb"', "duckdb:////data/my shops/a.duckdb?x=1", 'file "a.duckdb"'),
        ("root certificate '/etc/keys/root.pem'", "postgresql://host/shop", "root certificate 'root.pem'"),
        ("no socket /run/mysqld/mysqld.sock (2)", "mysql://host/shop", "no socket mysqld.sock (2)"),
        (
            "connection to host/shop on tcp://a/b/c",
            "mysql://host/shop",
            "connection to host/shop on tcp://a/b/c",
        ),
        ("'broken' is left out: no such table", "/data/a.sqlite", "'broken' is left out: no such table"),
    ],
)
def test_clients_see_no_folder_of_the_host(message: str, address: str, told: str) -> None:
    """The file's name stays, by which its operator knows it."""
    assert without_folders(message, address) == told
