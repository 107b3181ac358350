"""The SELECT is found in what models write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.safety import UnsafeSqlError, check_select
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.reading import sql_extraction

CASES = json.loads((Path(__file__).parent / "model_answers.json").read_text())
S = "SELECT name FROM singer WHERE age > 30"


def extract_sql(text: str) -> str:
    return sql_extraction.extract_sql(text, SQLITE)


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


@pytest.mark.parametrize("lines", [39, 40, 400])
def test_any_number_of_lines_may_follow(lines: int) -> None:
    """What follows the statement is not tried line by line."""
    assert extract_sql("SELECT a FROM t" + lines * "\nThis is it") == "SELECT a FROM t"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_real_answers(case: dict[str, str | None]) -> None:
    """The statement is found in what models write; where none is given, some text comes back."""
    assert isinstance(case["answer"], str)
    found = extract_sql(case["answer"])
    assert found == case["sql"] if case["sql"] is not None else found


@pytest.mark.parametrize(
    "answer",
    [
        f"Here is the query: {S} This will return all names.",
        f"{S}. It returns the names.",
        f"The SQL is: {S}, which gives the names.",
        f"{S} – this lists names",
        f"{S}\n(This lists names.)",
        f"A: {S}\nQ: another question?",
        f"Answer: {S}\n\nSELECT is used to read.",
        f"I'll use the customers' table:\n\n{S}\n\nHope it's fine",
        f"{S};\n\nThese select rows from customers.",
        f"1. First, select the table.\n2. Then filter.\n\n{S}\n\n- name: the name",
        f"{S}\n\n**Explanation**: selects the name.",
        f"| name |\n|---|\n\n{S}\n\n| name |\n|---|",
        f"SELECT 1;\n{S}; ",
        f"({S})",
        f'The query "{S}" works.',
        f"The answer is **{S}**.",
        f"\\boxed{{{S}}}",
        f"Draft: `SELECT 1`. Final: `{S}`.",
        f"``{S}``",
        f"```PostgreSQL  \n{S};\n```",
        f"``` SQL\n{S}\n```",
        f"~~~\n{S}\n~~~",
        f"```duckdb\n{S}",
        f"```sql\n({S});\n```",
        f"```sql\n{S}\n```sql\n",
        f"```sql\n{S}\n\nThis gets names.\n```",
        f"```markdown\n```sql\n{S}\n```\n```",
        f"````\n```sql\n{S}\n```\n````",
        f'"""\n{S}\n"""',
        f"```sql\n{S}\n```\n```python\ncursor.execute('SELECT 1')\n```",
        f"```sql\n{S}\n```\nResult:\n```\n| select |\n|---|\n```\n```\nYou select one\n```",
        f"```sql\n{S}\n```\nExpected:\n```sql\n-- name\n-- Joe\n```",
        f"```sql\n{S}\n```\nGenerally:\n```sql\nSELECT ... FROM ...\n```",
        f"<answer>```sql\n{S}\n```</answer>",
        f"<sql>\n{S}",
        f'{{"thoughts": "select names", "sql": "{S};"}} Hope it helps',
        f'{{"answer": {{"query": "```sql\\n{S}\\n```"}}}}',
        f'[{{"statement": "{S}"}}]',
        f"<|im_start|>assistant\n{S}<|im_end|>\n<|im_start|>user\nSELECT 3",
        f"{S}<end_of_turn>\nSELECT 3",
        f"{S}</s>",
        f"{S}<|unheard_of|>",
        f"{S}<pad><pad>",
        f"[SQL]{S}[/SQL]",
        f"“{S}”",
        f"Output: {S}### Input: more",
        f"sql\n{S};\n```\nSELECT is used.",
        f"```sql\nSELECT '/*' FROM t;\n{S};\n```",
        f'<tool_call>\n{{"name": "run", "arguments": {{"query": "{S}"}}}}\n</tool_call>',
        f"{S}<\uff5cend\u2581of\u2581sentence\uff5c>",
        f"{S} would give the names.",
        f"{S} lists the names of singers",
        f"{S}\nlists all names.",
        f"{S} → names",
        f"{S} => names",
        f"{S} // the names",
        f"{S}\n***\nThe names",
        f"{S}。",
        f"{S}；",
        f"{S}\u200b",
        f"答案是：{S}。这个查询返回姓名。",
        f"> Use this:\n> ```sql\n> {S};\n> ```\n> It lists names.",
        f"> {S};\n>\n> It lists names.",
        f"<sql><![CDATA[{S}]]></sql>",
        f"<query>\n{S.replace('>', '&gt;')}\n</query>",
    ],
)
def test_nothing_around_the_statement_hides_it(answer: str) -> None:
    """Prose, lists, tables, other languages, fences of any kind, JSON and tokens are left out."""
    assert extract_sql(answer) == S


def test_lines_of_a_quote_are_one_statement() -> None:
    """The mark before each line is no operator, and one within a line is."""
    quoted = "\n".join(
        f"> {line}" for line in ("```sql", "SELECT name", "FROM singer", "WHERE age > 30", "```")
    )
    assert extract_sql(f"Here:\n\n{quoted}\n\nDone.") == "SELECT name\nFROM singer\nWHERE age > 30"
    kept = "SELECT name FROM singer WHERE age\n> (SELECT 30)"
    assert extract_sql(kept) == kept


@pytest.mark.parametrize(
    ("dialect", "statement"),
    [
        ("duckdb", "FROM t SELECT count(*)"),
        ("duckdb", "FROM t JOIN u USING (a)\nSELECT count(*) WHERE a = 1"),
        ("duckdb", "SELECT [x * 2 for x in [1, 2]]"),
        ("duckdb", "SELECT MAP {'a': 1}"),
        ("postgres", "SELECT $$it's; x$$ AS a"),
        ("postgres", "SELECT $x$it's; $$ x$x$ AS a"),
        ("postgres", r"SELECT E'it\'s; x' AS a FROM t"),
        ("postgres", "SELECT a FROM t WHERE id = ANY(ARRAY[1, 2])"),
        ("postgres", "SELECT DISTINCT ON (a) a, b::date FROM t ORDER BY a, b DESC"),
        ("sqlite", "SELECT a FROM t NOT INDEXED"),
    ],
)
@pytest.mark.parametrize("answer", ["{};\nThis lists.", "```sql\n{}\n```", "Query: {}\n\nThis query lists."])
def test_each_dialect_has_its_own_forms(dialect: str, statement: str, answer: str) -> None:
    """Its texts, lists and orders of clauses end no statement, and a SELECT keeps the FROM before it."""
    assert sql_extraction.extract_sql(answer.replace("{}", statement), Dialect(dialect)) == statement


def test_a_from_of_the_statement_before_is_left_there() -> None:
    """Two statements without a semicolon are two."""
    assert extract_sql("SELECT a\nFROM t\nSELECT b FROM u") == "SELECT b FROM u"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 UNOIN SELECT 2",
        "SELECT a FROM t UNOIN ALL SELECT b FROM u",
        "SELECT a FROM t\nUNOIN\nSELECT b FROM u",
        "SELECT a FROM t WHERE x = 1 EXECPT SELECT b FROM u",
        "SELECT a FROM t UNION SELECT b FROM u UNOIN SELECT c FROM v",
        "WITH x AS (SELECT 1)\nSELECT a FROM x UNOIN SELECT b FROM u",
        "SELECT a FROM t UNOIN SELECT b FROM",
        "SELECT a FROM t AND SELECT b FROM u",
        "SELECT a FROM t SELECT b FROM u",
        "select a from t or select b from u",
    ],
)
@pytest.mark.parametrize(
    "answer", ["{}", "{};", "```sql\n{}\n```", "Use this:\n\n{};\n\nThis lists both.", "`{}`"]
)
def test_neither_of_two_selects_in_one_is_run_alone(statement: str, answer: str) -> None:
    """The whole goes to the check, whose message a revision shows."""
    found = extract_sql(answer.replace("{}", statement))
    assert found == statement
    with pytest.raises(UnsafeSqlError, match="syntax error"):
        check_select(found, SQLITE)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("SELECT a FROM t UNOIN SELECT b FROM u; SELECT c FROM v;", "SELECT c FROM v"),
        ("SELECT a FROM t. SELECT b FROM u", "SELECT b FROM u"),
        ("select the names with SELECT a FROM t", "SELECT a FROM t"),
        ("SELECT statements such as SELECT a FROM t", "SELECT a FROM t"),
        ("SELECT a FROM t UNION BY NAME SELECT b FROM u", "SELECT a FROM t UNION BY NAME SELECT b FROM u"),
    ],
)
def test_what_only_looks_like_two_in_one_is_read_as_before(answer: str, expected: str) -> None:
    """A later statement, prose, or a set operator of another dialect."""
    assert sql_extraction.extract_sql(answer, Dialect("duckdb")) == expected


def test_escapes_in_json_are_undone() -> None:
    """Newlines and quotes of a JSON value are those of the statement."""
    statement = "SELECT \"a b\"\nFROM t -- all\nWHERE c = '\\n'"
    assert extract_sql("```json\n" + json.dumps({"result": {"sql": statement}}) + "\n```") == statement


def test_strings_are_read_as_in_the_dialect() -> None:
    """Where a backslash escapes a quote, the string goes on."""
    statement = r"SELECT a FROM t WHERE b = 'it\';s'"
    assert sql_extraction.extract_sql(f"Use {statement}; done", Dialect("mysql")) == statement


@pytest.mark.parametrize(
    "answer",
    [
        "SELECT a FROM t\nWHERE x IN (1,",
        "SELECT a FROM t\n\nWHERE x IN (1,",
        "SELECT a FROM t\nORDER BY",
        "SELECT a FROM t\nWHERE b = 'x",
        "SELECT a FROM t JOIN\n(SELECT b FROM u",
        "SELECT a FROM t UNION SELECT b FROM",
        "SELECT a FROM (SELECT b FROM t) x WHERE y IN (1,",
        "SELECT a FROM log WHERE q = 'select b from t' AND x IN (1,",
        "WITH x AS (SELECT 1)\nSELECT a FROM x WHERE",
        "WITH x AS (SELECT 1), y AS (SELECT FROM)\nSELECT * FROM x",
        "INSERT INTO t SELECT a FROM b",
        "CREATE TABLE x AS SELECT a FROM b",
        "DELETE FROM t WHERE a IN (SELECT b FROM u)",
        "SELECT a FROM t WHERE -- or SELECT a FROM t",
        "SELECT a FROM t WHERE b is greater than 5",
        "SELECT a FROM t WHERE b does not equal 5",
        "select count(*) fliter (where a > 1) from t",
        "SELECT a FROM t WHERE /* or\nSELECT a FROM t",
    ],
)
@pytest.mark.parametrize("before", ["", "```sql\n", "So far: SELECT a FROM t\n```sql\n"])
def test_a_part_of_a_statement_is_never_taken_for_all_of_it(answer: str, before: str) -> None:
    """What was cut off, or is more than a SELECT, stays whole and fails the check."""
    found = extract_sql(before + answer)
    assert found == answer
    with pytest.raises(UnsafeSqlError):
        check_select(found, SQLITE)


def test_an_unclosed_fence_is_taken_whole_or_not_at_all() -> None:
    """Prose can't be told from the rest of a statement there; what a semicolon ends is complete."""
    assert extract_sql("```sql\nSELECT a FROM t\n\nThis lists") == "SELECT a FROM t\n\nThis lists"
    assert extract_sql("```sql\nSELECT a FROM t;\nThis lists") == "SELECT a FROM t"


def test_the_way_of_thinking_may_be_named() -> None:
    """Tags of other models then are part of the answer."""
    answer = "[THINK]SELECT 1[/THINK]SELECT 2"
    assert sql_extraction.extract_sql(answer, SQLITE, "mistral") == "SELECT 2"
    with pytest.raises(ValueError, match="unknown reasoning parser: 'x'"):
        sql_extraction.extract_sql(answer, SQLITE, "x")
