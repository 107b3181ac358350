"""Of columns with more values than the index takes, the database itself is asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.databases.value_scan import ScanLimits
from plugins.text2sql.retrieval import retrieval as module
from plugins.text2sql.retrieval.retrieval import Found, Retriever
from sched.errors import UnavailableError
from tests.plugins.text2sql.databases.running_statements import AMPLE, until
from tests.waiting import block_until

FIRST = 50_000
LAST = ("Zora Quill", "Boeing 747", "Boeing 737", "Airbus A380", "O'Neill", "McDonald")
CUT = "too many values to index, found by their exact words or beginnings only: "


@pytest.fixture(scope="module", params=["", "CREATE INDEX by_name ON people (name)"], ids=["bare", "indexed"])
def path(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """People, of whom the wanted ones come last."""
    path = tmp_path_factory.mktemp("large") / "people.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, town TEXT)")
        rows = [f"Person{chr(97 + number % 26)}{number}" for number in range(FIRST)]
        connection.executemany(
            "INSERT INTO people (name, town) VALUES (?, 'Bergen')", [(name,) for name in (*rows, *LAST)]
        )
        connection.execute(request.param)
        connection.commit()
    return path


@pytest.fixture(scope="module")
def registry(path: Path) -> Iterator[DatabaseRegistry]:
    with closing(DatabaseRegistry()) as registry:
        registry.register("people", SqliteDatabase, str(path))
        yield registry


@pytest.fixture(scope="module")
def retriever(registry: DatabaseRegistry) -> Iterator[Retriever]:
    with pytest.MonkeyPatch.context() as patch, closing(Retriever(registry)) as made:
        patch.setattr(module, "_LOOKUP_SECONDS", AMPLE)
        patch.setattr(module, "_DATABASE_SECONDS", AMPLE)
        made.prepare("people")
        block_until(lambda: made.ready("people"))
        yield made


@pytest.mark.parametrize(
    ("question", "keywords", "wanted"),
    [
        ("", ["Zora Quill"], ["people.name = 'Zora Quill'"]),
        ("", ["zora quill"], ["people.name = 'Zora Quill'"]),
        ("", ["orders of Zora Quill"], ["people.name = 'Zora Quill'"]),
        ("what did Zora Quill buy", [], ["people.name = 'Zora Quill'"]),
        ("", ["Zora"], ["people.name = 'Zora Quill'"]),
        ("", ["Boeing"], ["people.name LIKE 'Boeing%'"]),
        ("", ["Boeing 747"], ["people.name = 'Boeing 747'"]),
        ("", ["Boeing 757"], ["people.name LIKE 'Boeing%'"]),
        ("", ["O'Neill"], ["people.name = 'O''Neill'"]),
        ("", ["mcdonald"], ["people.name = 'McDonald'"]),
        ("", ["Zor", "Zo%", "P_rsona0", "%"], []),
        ("how many people are there", ["people"], []),
        ("who lives in bergen", ["bergen"], ["people.town = 'Bergen'"]),
    ],
)
async def test_the_last_of_many_names_is_found(
    retriever: Retriever, question: str, keywords: list[str], wanted: list[str]
) -> None:
    """Exactly, or as the beginning of a name; a small column is looked up as ever."""
    found = await retriever.values("people", keywords, question)
    assert found == Found(tuple(wanted), f"{CUT}people.name")


async def test_beginnings_beyond_the_limit_are_noted(retriever: Retriever) -> None:
    """None of these is the word itself."""
    found = await retriever.values("people", ["person"])
    noted = "values: more than 200 values of people.name begin like keywords"
    assert found == Found((), f"{CUT}people.name; {noted}")


async def test_what_the_database_has_no_time_for_is_noted(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is found all the same."""
    monkeypatch.setattr(module, "_DATABASE_SECONDS", 0.0)
    found = await retriever.values("people", ["Bergen", "Zora Quill"])
    assert found.lines == ("people.town = 'Bergen'",)
    noted = "values: the database gave no answer in time about people.name"
    assert found.note == f"{CUT}people.name; {noted}"


def test_a_look_up_stops_when_told(registry: DatabaseRegistry) -> None:
    """Within a statement too."""
    source = registry.database("people")
    for ask in (source.equal, source.beginning):
        with pytest.raises(UnavailableError):
            ask("people", "town", ["Nowhere"], 10, lambda: True)
    assert source.beginning("people", "name", ["persona"], 3, lambda: False) == [
        "Persona0",
        "Persona26",
        "Persona52",
    ]


async def test_rows_that_were_not_read_are_noted(
    registry: DatabaseRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ones may lack a value."""
    monkeypatch.setattr(module, "_LOOKUP_SECONDS", AMPLE)
    with closing(Retriever(registry, ScanLimits(column_rows=10))) as retriever:
        retriever.prepare("people")
        await until(lambda: retriever.ready("people"))
        note = (await retriever.values("people", ["Bergen"])).note
    assert note == "values of some rows only (of at most 10): people.name, people.town"
