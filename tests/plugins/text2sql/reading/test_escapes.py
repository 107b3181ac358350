"""Escapes, prompts of shells and other scripts around a statement are no part of it."""

from __future__ import annotations

import pytest

from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.reading.sql_extraction import extract_sql

S = "SELECT name FROM singer WHERE age > 30"


@pytest.mark.parametrize(
    "answer",
    [
        "SELECT name FROM singer WHERE age &gt; 30",
        "```sql\nSELECT name FROM singer WHERE age &gt; 30;\n```",
        "SELECT name FROM singer WHERE age \\> 30",
        "Use **SELECT name FROM singer WHERE age \\> 30**",
        "sqlite> SELECT name\n   ...> FROM singer\n   ...> WHERE age > 30;\nJoe",
        "mysql> SELECT name\n    -> FROM singer\n    -> WHERE age > 30;",
        "MariaDB [shop]> SELECT name\n    -> FROM singer\n    -> WHERE age > 30;",
        "shop=# SELECT name\nshop-# FROM singer\nshop-# WHERE age > 30;",
        f"| step | sql |\n|---|---|\n| 1 | {S} |",
        f"\u0417\u0430\u043f\u0440\u043e\u0441: \u00ab{S}\u00bb.",
        f"\u67e5\u8be2{S}\uff1b\u8fd4\u56de",
    ],
)
def test_what_printing_adds_is_left_out(answer: str) -> None:
    """Nothing of the statement goes with it."""
    assert " ".join(extract_sql(answer, SQLITE).split()) == S


@pytest.mark.parametrize(
    ("answer", "statement"),
    [
        ("SELECT a\\_b, count(\\*) FROM t;", "SELECT a_b, count(*) FROM t"),
        ("SELECT a &lt;&gt; 1 &amp; 2 FROM t;", "SELECT a <> 1 & 2 FROM t"),
        (
            r"SELECT a FROM t WHERE b LIKE '%\_%' ESCAPE '\'",
            r"SELECT a FROM t WHERE b LIKE '%\_%' ESCAPE '\'",
        ),
        ("SELECT a FROM t WHERE b = 'x &gt; y'", "SELECT a FROM t WHERE b = 'x &gt; y'"),
        (
            "SELECT '&gt;' FROM t WHERE b &gt; 1 -- \\*\nAND c = '\\*'",
            "SELECT '&gt;' FROM t WHERE b > 1 -- \\*\nAND c = '\\*'",
        ),
        ("SELECT a |\nb FROM t WHERE c = = 1", "SELECT a |\nb FROM t WHERE c = = 1"),
        ("SELECT a -> '$.x'\n-> '$.y' FROM t", "SELECT a -> '$.x'\n-> '$.y' FROM t"),
    ],
)
def test_literals_and_operators_stay(answer: str, statement: str) -> None:
    """Within quotes and comments an escape is text, and an arrow without a prompt before is an operator."""
    assert extract_sql(answer, SQLITE) == statement
