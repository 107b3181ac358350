"""A server of Sluice over MariaDB: the demo's questions there, beside databases that can't be asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launch.ask.examples import EXAMPLES, NO_ROWS_QUESTION
from launch.bench.databases.mariadb_server import MariadbServer
from tests.plugins.text2sql.databases.mariadb_shop import mariadb_shop
from tests.plugins.text2sql.databases.shops import READER, READER_PASSWORD, sqlite_shop
from tests.real.real_server import RealServer, real_server
from tests.waiting import block_until

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1800)]

_REFUSED = 503


@pytest.fixture(scope="module")
def served(mariadb_server: MariadbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """A server over the shop in SQLite and MariaDB, a user with a wrong password, and no server at all."""
    folder = tmp_path_factory.mktemp("served-mariadb")
    plain = sqlite_shop(folder)
    shop = mariadb_shop(Path(plain), mariadb_server)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_PASSWORD", READER_PASSWORD)
        addresses = {
            "plain": plain,
            "shop": shop.replace(READER_PASSWORD, "${SHOP_PASSWORD}").replace("mariadb://", "mysql://"),
            "wrong": mariadb_server.address("shop", READER, "not-the-password", kind="mysql"),
            "nowhere": f"mariadb://{READER}:none@127.0.0.1:9/shop",
        }
        words = [word for name, address in addresses.items() for word in ("--database", f"{name}={address}")]
        with real_server(folder, "--cpu-slots", "1", *words) as server:
            yield server


def _answer(server: RealServer, question: str, database: str) -> dict[str, Any]:
    with server.client() as client:
        answer = client.post("/v1/text2sql", json={"question": question, "database": database})
    return dict(answer.json())


def _rows(answer: dict[str, Any]) -> list[list[Any]]:
    """Return the rows for comparison: SQLite's sums are inexact."""
    return [
        [pytest.approx(cell) if isinstance(cell, float) else cell for cell in row] for row in answer["rows"]
    ]


@pytest.mark.parametrize("question", [*EXAMPLES, NO_ROWS_QUESTION])
def test_mariadb_answers_as_sqlite_does(served: RealServer, question: str) -> None:
    """The demo model's SQL is translated, and no example means another thing there."""
    plain, there = (_answer(served, question, database) for database in ("plain", "shop"))
    assert there["status"] == plain["status"], there
    assert there["rows"] == _rows(plain), there["sql"]
    assert plain["status"] == ("empty" if question == NO_ROWS_QUESTION else "ok")


def test_what_cannot_be_asked_is_listed_with_the_reason(served: RealServer) -> None:
    """And refused; no password is shown."""
    with served.client() as client:
        listed = client.get("/v1/databases").json()
        refused = client.post("/v1/text2sql", json={"question": EXAMPLES[0], "database": "wrong"})
    assert listed["databases"] == ["plain", "shop"]
    reasons = {database["name"]: database["reason"] for database in listed["details"]}
    assert "Access denied" in reasons["wrong"]
    assert "Connection refused" in reasons["nowhere"]
    assert refused.status_code == _REFUSED
    shown = f"{listed} {refused.text} {served.log.read_text()}"
    assert "not-the-password" not in shown
    assert READER_PASSWORD not in shown


def test_a_server_that_ends_is_away_until_it_is_back(
    served: RealServer, mariadb_server: MariadbServer
) -> None:
    """Meanwhile the others are served."""
    question = EXAMPLES[0]
    right = _answer(served, question, "plain")

    def ready() -> list[str]:
        with served.client() as client:
            return list(client.get("/v1/databases").json()["databases"])

    mariadb_server.stop()
    try:
        block_until(lambda: ready() == ["plain"])
        away = _answer(served, question, "shop")
        assert away["error"]["code"] == "unavailable"
        assert "Connection refused" in away["error"]["message"]
        assert _answer(served, question, "plain")["rows"] == right["rows"]
    finally:
        mariadb_server.start()
    block_until(lambda: ready() == ["plain", "shop"])
    assert _answer(served, question, "shop")["rows"] == right["rows"]
