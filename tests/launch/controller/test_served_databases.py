"""A server opens what it can of its databases and says how each fares."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from launch.served_databases import ServedDatabase, complaints, open_all, refuse_without_room, served
from launch.server.config import DatabaseOptions
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.text2sql.program import Text2Sql
from plugins.workflow_kind import Resources
from sched.errors import ConfigError
from sched.workflow import Segment
from tests.launch.api.api_stack import api_stack
from tests.plugins.text2sql.databases.awkward import TRADE, encrypted, made, many_columns

BROKEN = "'broken_view' is left out: no such table: main.no_such_table"


@pytest.fixture
def registry() -> Iterator[DatabaseRegistry]:
    with closing(DatabaseRegistry()) as registry:
        yield registry


@pytest.fixture
def addresses(tmp_path: Path) -> dict[str, str]:
    good, bad = made(tmp_path / "good.sqlite", TRADE), encrypted(tmp_path / "bad.sqlite")
    return {"bad": str(bad), "good": f"sqlite:///{good}"}


def test_a_bad_database_is_listed_with_its_reason(
    registry: DatabaseRegistry, addresses: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """And so is what a good one can't show; the log says both."""
    open_all(registry, addresses, {})
    reason = f"{addresses['bad']} can't be read as SQLite: file is not a database"
    told = "bad.sqlite can't be read as SQLite: file is not a database"
    assert served(registry, addresses) == [
        ServedDatabase("bad", "sqlite", "unavailable", told),
        ServedDatabase("good", "sqlite", warnings=(BROKEN,)),
    ]
    assert f"database 'bad': {reason}; questions to it are refused" in caplog.text
    assert f"database 'good': {BROKEN}" in caplog.text


def test_what_can_not_be_asked_is_said_at_the_start(
    registry: DatabaseRegistry, addresses: dict[str, str], tmp_path: Path
) -> None:
    """A line each; of many, the first ones."""
    open_all(registry, addresses, {})
    reason = f"{addresses['bad']} can't be read as SQLite: file is not a database"
    assert complaints(registry) == f"database 'bad' can't be asked: {reason}\ndatabase 'good': {BROKEN}"
    more = {f"bad{number}": str(encrypted(tmp_path / f"{number}.sqlite")) for number in range(30)}
    open_all(registry, more, {})
    first, *_, last = complaints(registry).split("\n")
    assert first == f"database 'bad' can't be asked: {reason}"
    assert last == "and 12 more (GET /v1/databases)"


def test_a_server_of_bad_databases_only_starts(
    registry: DatabaseRegistry, addresses: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """No error is raised."""
    del addresses["good"]
    with caplog.at_level(logging.WARNING):
        open_all(registry, addresses, {})
    assert registry.names() == ()
    assert "questions to it are refused" in caplog.text


def test_options_reach_the_schema(
    registry: DatabaseRegistry, addresses: dict[str, str], tmp_path: Path
) -> None:
    """Patterns and descriptions are those of the database's table in the configuration."""
    words = tmp_path / "words.toml"
    words.write_text('[tables]\n"Order Details" = "what was bought"')
    options = DatabaseOptions(include=("order*",), exclude=("order",), descriptions=str(words))
    open_all(registry, addresses, {"good": options})
    (table,) = registry.schema("good").tables
    assert (table.name, table.description) == ("Order Details", "what was bought")


def test_options_that_leave_nothing_stop_the_start(
    registry: DatabaseRegistry, addresses: dict[str, str]
) -> None:
    """The message names the database."""
    with pytest.raises(ConfigError, match="database 'good': include and exclude leave no table"):
        open_all(registry, addresses, {"good": DatabaseOptions(exclude=("*",))})


async def test_a_database_too_large_for_the_model_is_refused(
    registry: DatabaseRegistry, addresses: dict[str, str], tmp_path: Path
) -> None:
    """The others are served; if none fits, the model or the profile is wrong.

    That goes for databases of which the prompts must show everything; of others they show what fits.
    """
    wide = made(tmp_path / "wide.sqlite", many_columns())
    addresses = {"wide": str(wide), "good": addresses["good"]}
    open_all(registry, addresses, {})
    workflow = Text2Sql(Resources(registry, Compact(), Text2SqlOptions()))

    async def count(segments: Sequence[Segment]) -> int:
        return sum(len(segment.text) for segment in segments)

    with pytest.raises(ConfigError, match=r"the model's context has 10: use a model with a longer context"):
        await refuse_without_room(registry, workflow, 10, count)
    assert registry.names() == ("wide", "good")
    await refuse_without_room(registry, workflow, 15_000, count)
    assert registry.names() == ("wide", "good")
    whole = Text2Sql(Resources(registry, Compact(), Text2SqlOptions(schema_shape="whole")))
    await refuse_without_room(registry, whole, 15_000, count)
    assert registry.names() == ("good",)
    reason = registry.states()[0].reason or ""
    assert "the model's context has 15000: let prompts show a part of the schema (--schema-shape" in reason


@pytest.mark.parametrize("stream", [False, True])
async def test_a_question_to_a_bad_database_is_503(
    registry: DatabaseRegistry, addresses: dict[str, str], stream: bool
) -> None:
    """With the reason, and before anything is streamed."""
    open_all(registry, addresses, {})
    workflow = Text2Sql(Resources(registry, Compact(), Text2SqlOptions()))
    async with api_stack(workflow=workflow) as api:
        api.databases.append("bad")
        body = {"question": "How many?", "database": "bad", "stream": stream}
        response = await api.client.post("/v1/text2sql", json=body)
    assert response.status_code == 503
    assert "file is not a database" in response.json()["error"]["message"]
