"""An answer as a chat's text."""

from __future__ import annotations

from typing import Any

import pytest

from launch.api.openai.database_answer import SHOWN_ROWS, answer_text, sql_in


def _answer(**parts: Any) -> dict[str, Any]:
    return {"status": "ok", "sql": "SELECT a", "columns": ["a"], "rows": [[1]], "truncated": False} | parts


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({}, "The answer is 1."),
        ({"truncated": True}, "More than 1 row was found."),
        ({"rows": [[1, 2]], "columns": ["a", "b"]}, "1 row was found."),
        ({"rows": [[1], [2]]}, "2 rows were found."),
        ({"rows": [[1]] * 21}, "21 rows were found; the first 20 are shown."),
        ({"rows": [[1]] * 21, "truncated": True}, "More than 21 rows were found; the first 20 are shown."),
        ({"status": "empty", "rows": []}, "Nothing was found."),
        ({"status": "empty", "rows": [], "reason": "all agree"}, "Nothing was found: all agree."),
        (
            {"status": "no_sql_ran", "sql": None, "rows": [], "sql_error": "no such table: x"},
            "I could not answer, since no SQL could be run: no such table: x.",
        ),
        (
            {"status": "not_understood", "sql": None, "rows": [], "reason": "no word is known"},
            "I did not understand the question: no word is known.",
        ),
    ],
)
def test_the_sentence_says_what_came_out(parts: dict[str, Any], sentence: str) -> None:
    """It stands first."""
    assert answer_text(_answer(**parts)).split("\n\n")[0] == sentence


def test_a_table_has_the_first_rows_and_no_value_breaks_it() -> None:
    """Of each value one line, of a long one the beginning."""
    text = answer_text(_answer(columns=["a|b", "c"], rows=[["x|y\nz", None], ["w" * 300, "\\"]] * 20))
    lines = text.split("\n\n")[-1].split("\n")
    assert lines[:3] == ["| a\\|b | c |", "| --- | --- |", "| x\\|y z | NULL |"]
    assert lines[3] == f"| {'w' * 199}… | \\\\ |"
    assert len(lines) == 2 + SHOWN_ROWS


def test_the_sql_of_an_answer_can_be_read_back() -> None:
    """For the next question of a chat; other texts have none."""
    assert sql_in(answer_text(_answer(sql="SELECT a\nFROM t"))) == "SELECT a\nFROM t"
    assert sql_in("```python\nprint()\n```") == ""
