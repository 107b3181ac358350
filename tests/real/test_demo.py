"""The demo's questions, answered by the demo model on real runtimes, against SQLite's own rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from launch.ask import ask_cli
from launch.ask.examples import DEMO_QUESTIONS, EXAMPLES, NO_ROWS_QUESTION
from launch.demo_assets import demo_database
from tests.real.real_server import RealServer

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

RIGHT = (
    "SELECT count(*) FROM orders WHERE ordered_on >= '2024-03-01' AND ordered_on < '2024-04-01'",
    "SELECT first_name, last_name FROM customers JOIN orders ON orders.customer_id = customers.id "
    "WHERE country = 'Germany' AND strftime('%Y', ordered_on) = '2024' "
    "GROUP BY customers.id ORDER BY count(*) DESC LIMIT 1",
    "SELECT avg(price) FROM products WHERE category_id IN (SELECT id FROM categories WHERE name = 'Books')",
)


@pytest.mark.parametrize(("question", "sql"), list(zip(DEMO_QUESTIONS, RIGHT, strict=True)))
def test_the_demos_answers_are_right(pair: RealServer, question: str, sql: str) -> None:
    """Each question of ``make demo`` gets exactly the rows that SQLite gives for hand-written SQL."""
    with closing(sqlite3.connect(demo_database())) as connection:
        rows = [list(row) for row in connection.execute(sql)]
    with pair.client() as client:
        answer = client.post("/v1/text2sql", json={"question": question, "database": "shop"}).json()
    assert answer["status"] == "ok"
    assert answer["rows"] == rows, answer["sql"]
    assert answer["unfamiliar"] == []


def test_a_question_without_an_answer_is_revised_and_says_so(pair: RealServer) -> None:
    """The demo's last question: nobody is, and nothing is invented."""
    with pair.client() as client:
        body = {"question": NO_ROWS_QUESTION, "database": "shop"}
        answer = client.post("/v1/text2sql", json=body).json()
    assert (answer["status"], answer["rows"]) == ("empty", [])
    assert "'Lisbon'" in answer["sql"]
    assert "'Bruno'" in answer["sql"]
    assert "revise" in [step["stage"] for step in answer["timeline"]]


def test_ask_answers_on_a_running_server(pair: RealServer, capsys: pytest.CaptureFixture[str]) -> None:
    """The command shows stages, SQL and rows, and says when a question is strange to the model."""
    assert ask_cli.main(["--server", pair.url, "--stream", "How many customers live in Berlin?"]) == 0
    shown = capsys.readouterr().out
    assert "schema_linking" in shown
    assert "SELECT count(*) FROM customers" in shown
    ask_cli.main(["--server", pair.url, "Which zebras admire the volcano?"])
    assert "never met these words" in capsys.readouterr().out


def test_ask_offers_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a question it lists some; they are known to the model's vocabulary by the tests above."""
    assert ask_cli.main([]) == 2
    assert EXAMPLES[-1] in capsys.readouterr().out
    assert ask_cli.main(["--examples"]) == 0


def test_ask_without_a_server_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A server that doesn't answer is no stack trace."""
    assert ask_cli.main(["--server", "http://127.0.0.1:9", "How many orders?"]) == 1
    assert "there is no answer" in capsys.readouterr().err
