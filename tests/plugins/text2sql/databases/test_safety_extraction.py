"""The SELECT is found in what models write."""

from __future__ import annotations

import pytest

from plugins.text2sql.databases import safety
from plugins.text2sql.databases.safety import UnsafeSqlError, check_select
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE


def extract_sql(text: str) -> str:
    return safety.extract_sql(text, SQLITE)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("```sql\nSELECT name\n\nFROM t;\n```", "SELECT name\n\nFROM t"),
        ("```SELECT 1```", "SELECT 1"),
        ("```sql SELECT 1```", "SELECT 1"),
        ("```sqlite\nSELECT 1", "SELECT 1"),
        ("```sql\n-- select the names\nSELECT name FROM t\n```", "-- select the names\nSELECT name FROM t"),
        ("```sql \t\n-- select the names\nSELECT name FROM t", "-- select the names\nSELECT name FROM t"),
        ("```sql\nSELECT `a``b` FROM t\n```", "SELECT `a``b` FROM t"),
        ("```sql\nSELECT 1\n```\n```sql\nSELECT 2; That is it.\n```", "SELECT 2"),
        ("First ```sql\nSELECT 1\n``` but better:\n```sql\nSELECT 2\n```\nDone.", "SELECT 2"),
        ("```sql\nSELECT 1\n```\nIt prints\n```\n42\n```", "SELECT 1"),
        ("To select all customers with orders, use: SELECT a FROM t;", "SELECT a FROM t"),
        ("SELECT a FROM t;\n\nThis selects a.", "SELECT a FROM t"),
        ("SELECT a FROM t\n\nThanks", "SELECT a FROM t"),
        ("SQL: SELECT a\nFROM t\nThis query returns every a.", "SELECT a\nFROM t"),
        ("Here: WITH x AS (SELECT 1)\nSELECT * FROM x", "WITH x AS (SELECT 1)\nSELECT * FROM x"),
        ("SELECT a FROM t WHERE b = 'x;y'; done", "SELECT a FROM t WHERE b = 'x;y'"),
        ("<think>SELECT 9 maybe?</think>SELECT 1", "SELECT 1"),
        ("maybe SELECT 9\n</think>\nSELECT 1", "SELECT 1"),
        ("SELECT 1\n<think>or rather SELECT 9", "SELECT 1"),
        ("SELECT a/think>b, a <think FROM t", "SELECT a/think>b, a <think FROM t"),
    ],
)
def test_sql_is_found_in_free_text(answer: str, expected: str) -> None:
    """Fences, prose around the statement and reasoning are taken away."""
    assert extract_sql(answer) == expected


@pytest.mark.parametrize("answer", ["I can't answer that.", "", "DROP TABLE t", "SELECT FROM"])
def test_text_without_a_select_is_returned_for_the_check(answer: str) -> None:
    """Nothing is made up: what holds no SELECT stays as it is and fails the check."""
    assert extract_sql(answer) == answer
    with pytest.raises(UnsafeSqlError):
        check_select(extract_sql(answer), SQLITE)


@pytest.mark.parametrize(
    ("answer", "rest"),
    [
        ("<think>hm</think> I can't answer that.\n", "I can't answer that."),
        ("<think>maybe SELECT 9", ""),
        ("```sql\nSELECT FROM\n```\nor\n```sql\nSELECT 1 +\n```\nor\n```sql\nSELECT 2 +\n```", "SELECT 2 +"),
    ],
)
def test_what_is_no_select_is_returned_without_its_wrapping(answer: str, rest: str) -> None:
    """Reasoning, space and fences are no part of what the check complains of; the last block is meant."""
    assert extract_sql(answer) == rest


def test_a_limited_number_of_parts_is_tried() -> None:
    """A statement is found in the 40th part at the latest: each costs a parse."""
    answer = "SELECT a FROM t" + 39 * "\nThis is it"
    assert extract_sql(answer) == "SELECT a FROM t"
    answer += "\nThis is it"
    assert extract_sql(answer) == answer
