"""Only one read-only SELECT passes; everything else is refused with the reason."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import pytest
from sqlglot.errors import ParseError, TokenError

from plugins.text2sql.databases import safety
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.duckdb.duckdb_dialect import DUCKDB
from plugins.text2sql.databases.mysql.mysql_dialect import MARIADB
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.safety import MAX_STATEMENT_CHARACTERS, UnsafeSqlError
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE


def check_select(statement: str) -> str:
    return safety.check_select(statement, SQLITE)


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
        "WITH big AS (SELECT id FROM orders WHERE total > 9) SELECT count(*) FROM big",
        "SELECT printf('%d', a), unheard_of(b) FROM t, json_each(c)",
        "SELECT x FROM X",
        "-- why not\nSELECT 1 /* two */",
        "SELECT 1; -- done",
    ],
)
def test_one_select_passes_unchanged(statement: str) -> None:
    """A SELECT, CTE or set operation passes and is run as it was written."""
    assert check_select(statement) == statement


@pytest.mark.parametrize("ending", [";", " ; ", ";;\n", ";\t;\r\n;"])
def test_final_semicolons_are_removed(ending: str) -> None:
    """Semicolons at the end are no second statement."""
    assert check_select(f"  SELECT 1{ending}") == "SELECT 1"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("", "no SQL statement"),
        ("  ;", "no SQL statement"),
        ("-- only a comment", "no SQL statement"),
        ("; -- only a comment", "no SQL statement"),
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
        ("ALTER TABLE t RENAME TO b", "ALTER is not allowed"),
        ("SET a = 1", "SET is not allowed"),
        ("VACUUM", "VACUUM is not allowed"),
        ("EXPLAIN SELECT 1", "EXPLAIN is not allowed"),
        ("BEGIN", "TRANSACTION is not allowed"),
        ("VALUES (1)", "this is no SELECT; write one SELECT"),
        ("SELECT load_extension('evil')", "load_extension is not allowed"),
        ("SELECT 1 WHERE LOAD_EXTENSION('evil') = 2", "LOAD_EXTENSION is not allowed"),
        ("SELECT writefile('a', 'b')", "writefile is not allowed"),
        ("SELECT * FROM readfile('a')", "readfile is not allowed"),
        ("SELECT edit(name) FROM t", "edit is not allowed"),
        ("SELECT \"fts3_tokenizer\"('a')", "fts3_tokenizer is not allowed"),
        ("SELECT FROM WHERE", "syntax error near"),
        ("SELECT 'open", "syntax error"),
        ("the answer is 42", "there is no SELECT"),
        ("this is not SQL", "this is no SELECT"),
        ("SELECT " + "1, " * MAX_STATEMENT_CHARACTERS + "1", "characters"),
        ("SELECT " + "(" * 6000 + "1" + ")" * 6000, "nested too deeply"),
    ],
)
def test_everything_else_is_refused_with_the_reason(statement: str, reason: str) -> None:
    """What is not exactly one read-only SELECT is refused, and the message says why."""
    with pytest.raises(UnsafeSqlError, match=reason):
        check_select(statement)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("", "there is no SQL statement; write one SELECT"),
        ("SELECT a FROM t WHERE\n  ) 1", "syntax error near ')' (line 2, column 3)"),
        ("SELECT writefile('a', 'b')", "the function writefile is not allowed"),
        ("SELECT " + "(" * 6000 + "1" + ")" * 6000, "the statement is nested too deeply"),
        ("SELECT " + "1, " * 6664 + "12", "the statement has 20001 characters, more than 20000"),
    ],
)
def test_the_reason_can_be_shown_as_it_is(statement: str, message: str) -> None:
    """A refusal is one plain sentence, which says where the fault is; a model is asked to mend it."""
    with pytest.raises(UnsafeSqlError) as caught:
        check_select(statement)
    assert str(caught.value) == message


def test_a_token_that_never_ends_is_a_syntax_error() -> None:
    """What the tokenizer says follows the word that all syntax errors begin with."""
    with pytest.raises(UnsafeSqlError, match=r"\Asyntax error: \S"):
        check_select("SELECT 'open")


@pytest.mark.parametrize(
    ("statement", "cause"),
    [
        ("SELECT FROM WHERE", ParseError),
        ("SELECT 'open", TokenError),
        ("SELECT " + "(" * 6000, RecursionError),
    ],
)
def test_the_parsers_error_is_kept(statement: str, cause: type[Exception]) -> None:
    """A refusal that began as the parser's error has it as its cause."""
    with pytest.raises(UnsafeSqlError) as caught:
        check_select(statement)
    assert isinstance(caught.value.__cause__, cause)


def test_the_longest_statement() -> None:
    """20,000 characters are allowed, space around the statement included, and no more."""
    statement = "SELECT 1".ljust(20_000)
    assert check_select(statement) == "SELECT 1"
    with pytest.raises(UnsafeSqlError, match="characters"):
        check_select(statement + " ")


def test_only_sqlglots_warnings_are_kept_silent(caplog: pytest.LogCaptureFixture) -> None:
    """Of a statement that sqlglot can't parse nothing is logged; what others log still is."""
    with pytest.raises(UnsafeSqlError):
        check_select("EXPLAIN SELECT 1")
    assert caplog.records == []
    logging.getLogger("another").warning("heard")
    assert caplog.messages == ["heard"]


def chain(levels: int) -> str:
    links = [f"t{i} AS (SELECT 1 FROM t{i - 1} a, t{i - 1} b)" for i in range(1, levels)]
    return f"WITH t0 AS (SELECT 1), {', '.join(links)} SELECT * FROM t{levels - 1}"


def nest(levels: int) -> str:
    inner = "SELECT 1"
    for level in range(levels):
        inner = f"WITH t{level} AS ({inner}) SELECT 1 FROM t{level} a, t{level} b"
    return inner


def backwards(levels: int) -> str:
    links = [f"t{i} AS (SELECT 1 FROM t{i - 1} a, t{i - 1} b)" for i in range(levels - 1, 0, -1)]
    return f"WITH {', '.join(links)}, t0 AS (SELECT 1) SELECT * FROM t{levels - 1}"


def shouted(levels: int) -> str:
    return chain(levels).upper()


@pytest.mark.parametrize("shape", [chain, nest, backwards, shouted])
def test_a_cte_bomb_is_refused(shape: Callable[[int], str]) -> None:
    """CTEs that double at each level are refused before SQLite expands them; a few levels pass."""
    assert check_select(shape(5)) == shape(5)
    with pytest.raises(UnsafeSqlError, match="use each other too often"):
        check_select(shape(24))


def uses(times: int, body: str = "SELECT 1", more: str = "") -> str:
    return f"WITH a AS ({body}) SELECT 1 FROM {', '.join(['a'] * times)}{more}"


def tables(count: int) -> str:
    return "SELECT 1 FROM " + ", ".join(["t"] * count)


@pytest.mark.parametrize(
    ("most", "too_many"),
    [
        (tables(1000), tables(1001)),
        (uses(1000), uses(1001)),
        (uses(9, tables(100)), uses(9, tables(100), ", t")),
    ],
    ids=["tables", "uses of a CTE", "tables in a CTE"],
)
def test_tables_are_counted_as_sqlite_expands_them(most: str, too_many: str) -> None:
    """1,000 are allowed: each name counts, a CTE's for as many tables as the CTE names, but at least 1."""
    assert check_select(most) == most
    with pytest.raises(UnsafeSqlError) as caught:
        check_select(too_many)
    assert str(caught.value) == "the CTEs use each other too often; use fewer"


def test_a_recursive_cte_is_not_expanded_in_itself() -> None:
    """Its own name counts for nothing, however many CTEs stand beside it and however it is spelled."""
    step = "SELECT i + {0} FROM n WHERE i < 9"
    beside = ", ".join(f"c{i} AS (SELECT 1)" for i in range(12))
    recursive = f"SELECT 1 UNION ALL {step.format(1)} UNION ALL {step.format(2)}"
    statement = f"WITH RECURSIVE N(i) AS ({recursive}), {beside} SELECT i FROM n"
    assert check_select(statement) == statement


def test_messages_carry_no_terminal_codes() -> None:
    """Messages go into prompts and JSON, so sqlglot's underlining must not leak into them."""
    with pytest.raises(UnsafeSqlError) as caught:
        check_select("SELECT a This returns all FROM t")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("dialect", [SQLITE, DUCKDB, POSTGRESQL, MARIADB], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    ("statement", "character"),
    [
        ("\ufeffANALYZE UNION ALL ((SELECT 1))", "U+FEFF"),
        ("SELECT getenv\ufeff('HOME')", "U+FEFF"),
        ("SELECT load_extension\ufeff('x')", "U+FEFF"),
        ("SELECT * FROM sqlite_master\ufeff", "U+FEFF"),
        ("SELECT * FROM sqlite_master\u200b AS m", "U+200B"),
        ("SELECT * FROM orders\xa0secret", "U+00A0"),
        ("SELECT * FROM orders /*\xa0*/ secret", "U+00A0"),
        ("SELECT * FROM orders -- \u2028 secret", "U+2028"),
    ],
)
def test_what_databases_read_differently_is_refused(statement: str, character: str, dialect: Dialect) -> None:
    """SQLite and DuckDB skip U+FEFF; the parser takes it for a letter, and for another function or table."""
    with pytest.raises(UnsafeSqlError, match=f"(?i)the character {re.escape(character)} outside|syntax"):
        safety.check_select(statement, dialect)


@pytest.mark.parametrize("dialect", [SQLITE, DUCKDB, POSTGRESQL, MARIADB], ids=lambda dialect: dialect.name)
def test_letters_and_quoted_characters_are_left_alone(dialect: Dialect) -> None:
    quote = "`" if dialect is MARIADB else '"'
    statement = f"SELECT größe, {quote}a\xa0b{quote}, '\ufeff→\u2028' FROM 顧客 AS क्षेत्र -- größer → 1 — 2"
    assert safety.check_select(statement + "\n;", dialect) == statement
