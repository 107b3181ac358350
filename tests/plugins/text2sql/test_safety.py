"""Only one read-only SELECT passes, and it is found in what models write."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plugins.text2sql.safety import (
    MAX_STATEMENT_CHARACTERS,
    UnsafeSqlError,
    check_select,
    extract_sql,
)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "select name from customers where city = 'a;b' order by 1 limit 3",
        "WITH t AS (SELECT 1 AS x) SELECT x FROM t",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n",
        "SELECT 1 UNION SELECT 2 EXCEPT SELECT 3",
        "SELECT * FROM (SELECT id FROM orders) AS o WHERE EXISTS (SELECT 1 FROM orders)",
        "SELECT lower(edit), replace(name, 'a', 'b') FROM t",
        "SELECT rank() OVER (PARTITION BY city ORDER BY total DESC) FROM orders",
        "-- why not\nSELECT 1 /* two */",
    ],
)
def test_one_select_passes_unchanged(statement: str) -> None:
    """A SELECT, CTE or set operation passes and is run as it was written."""
    assert check_select(statement) == statement


@pytest.mark.parametrize("ending", [";", " ; ", ";;\n"])
def test_final_semicolons_are_removed(ending: str) -> None:
    """Semicolons at the end are no second statement."""
    assert check_select(f"  SELECT 1{ending}") == "SELECT 1"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("", "no SQL statement"),
        ("  ;", "no SQL statement"),
        ("-- only a comment", "no SQL statement"),
        ("SELECT 1; SELECT 2", "found 2 statements"),
        ("SELECT 1; DROP TABLE t", "found 2 statements"),
        ("PRAGMA query_only = OFF", "PRAGMA is not allowed"),
        ("ATTACH 'x.db' AS x", "ATTACH is not allowed"),
        ("DETACH x", "DETACH is not allowed"),
        ("INSERT INTO t VALUES (1)", "INSERT is not allowed"),
        ("REPLACE INTO t VALUES (1)", "REPLACE is not allowed"),
        ("UPDATE t SET a = 1", "UPDATE is not allowed"),
        ("DELETE FROM t", "DELETE is not allowed"),
        ("WITH d AS (SELECT 1) DELETE FROM t", "DELETE is not allowed"),
        ("WITH a AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM a", "INSERT inside"),
        ("SELECT * INTO copy FROM t", "INTO inside"),
        ("CREATE TABLE t AS SELECT 1", "CREATE is not allowed"),
        ("DROP TABLE t", "DROP is not allowed"),
        ("ALTER TABLE t ADD COLUMN a", "ALTER is not allowed"),
        ("VACUUM", "VACUUM is not allowed"),
        ("EXPLAIN SELECT 1", "EXPLAIN is not allowed"),
        ("BEGIN", "TRANSACTION is not allowed"),
        ("VALUES (1)", "this is no SELECT; write one SELECT"),
        ("SELECT load_extension('evil')", "load_extension is not allowed"),
        ("SELECT 1 WHERE LOAD_EXTENSION('evil') = 2", "LOAD_EXTENSION is not allowed"),
        ("SELECT writefile('a', 'b')", "writefile is not allowed"),
        ("SELECT FROM WHERE", "syntax error near"),
        ("SELECT 'open", "syntax error"),
        ("the answer is 42", "syntax error"),
        ("this is not SQL", "this is no SELECT"),
        ("SELECT " + "1, " * MAX_STATEMENT_CHARACTERS + "1", "characters"),
        ("SELECT " + "(" * 6000 + "1" + ")" * 6000, "nested too deeply"),
    ],
)
def test_everything_else_is_refused_with_the_reason(statement: str, reason: str) -> None:
    """What is not exactly one read-only SELECT is refused, and the message says why."""
    with pytest.raises(UnsafeSqlError, match=reason):
        check_select(statement)


def chain(levels: int) -> str:
    links = [f"t{i} AS (SELECT 1 FROM t{i - 1} a, t{i - 1} b)" for i in range(1, levels)]
    return f"WITH t0 AS (SELECT 1), {', '.join(links)} SELECT * FROM t{levels - 1}"


def nest(levels: int) -> str:
    inner = "SELECT 1"
    for level in range(levels):
        inner = f"WITH t{level} AS ({inner}) SELECT 1 FROM t{level} a, t{level} b"
    return inner


@pytest.mark.parametrize("shape", [chain, nest])
def test_a_cte_bomb_is_refused(shape: Callable[[int], str]) -> None:
    """CTEs that double at each level are refused before SQLite expands them; a few levels pass."""
    assert check_select(shape(5)) == shape(5)
    with pytest.raises(UnsafeSqlError, match="use each other too often"):
        check_select(shape(24))


def test_messages_carry_no_terminal_codes() -> None:
    """Messages go into prompts and JSON, so sqlglot's underlining must not leak into them."""
    with pytest.raises(UnsafeSqlError) as caught:
        check_select("SELECT a This returns all FROM t")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("```sql\nSELECT name\n\nFROM t;\n```", "SELECT name\n\nFROM t"),
        ("```SELECT 1```", "SELECT 1"),
        ("```sql SELECT 1```", "SELECT 1"),
        ("```sqlite\nSELECT 1", "SELECT 1"),
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
        check_select(extract_sql(answer))
