"""The state of a database, whoever asks for it and whoever looks at it meanwhile."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from plugins.text2sql.databases.database import Limits
from plugins.text2sql.databases.known_database import KnownDatabase
from plugins.text2sql.databases.presentation import EVERYTHING
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.statement_runner import Opening
from sched.errors import UnavailableError
from tests.plugins.text2sql.linking.warehouse import schema, table
from tests.waiting import GUARD_SECONDS


class Held:
    """A database whose schema takes until ``go``; it can't be read while it is ``down``."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self.down = False
        self.looks = 0

    def schema_identity(self) -> str:
        self.looks += 1
        self.asked.set()
        assert self.go.wait(GUARD_SECONDS)
        if self.down:
            raise UnavailableError("the server is down")
        return "unchanged"

    def introspect(self) -> DatabaseSchema:
        return schema(table("a"))

    def warnings(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        """Nothing is open."""


def known(database: Any) -> KnownDatabase:
    opening = Opening(lambda *_: database, "held.sqlite", Limits(1, 1, 1), 1)  # type: ignore[arg-type]
    found = KnownDatabase("held", opening, EVERYTHING)
    found.open()
    return found


@pytest.mark.parametrize("down", [False, True])
def test_what_is_refused_during_a_look_stays_so(down: bool) -> None:
    """Whatever the look finds."""
    database = Held()
    database.down = down
    held = known(database)
    look = threading.Thread(target=held.refresh)
    look.start()
    assert database.asked.wait(GUARD_SECONDS)
    held.refuse("the model has no room")
    database.go.set()
    look.join(GUARD_SECONDS)
    assert not look.is_alive()
    assert held.state.reason == "the model has no room"
    with pytest.raises(UnavailableError, match="no room"):
        held.shown_schema()


def test_a_question_does_not_wait_for_what_could_not_be_read() -> None:
    """Only a look tries again."""
    database = Held()
    database.go.set()
    database.down = True
    held = known(database)
    for _ in range(3):
        with pytest.raises(UnavailableError, match="down"):
            held.shown_schema()
    assert database.looks == 1
    database.down = False
    assert held.refresh()
    assert held.shown_schema() == schema(table("a"))
