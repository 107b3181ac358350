"""Whatever statement stands in whatever wrapping, it is found exactly."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.duckdb.duckdb_dialect import DUCKDB
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.safety import UnsafeSqlError, check_select
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.reading.sql_extraction import extract_sql

INSIDE = [
    "it''s",
    "a;b",
    "`tick`",
    "```",
    "```sql",
    "\n```\n",
    "SELECT 1",
    "; DROP",
    "--",
    "/*",
    ")",
    "(",
    '"',
    "é",
]
INSIDE += [
    "\n",
    "\n\n",
    " ",
    "This is it.",
    '{"sql": "SELECT 2"}',
    "<sql>SELECT 3</sql>",
    "```sql\nSELECT 4\n```",
]
strings = st.lists(st.sampled_from(INSIDE), max_size=4).map(lambda parts: "'" + "".join(parts) + "'")
columns = st.sampled_from(["a", "t.b", '"Unit Price"', "`update`", "[order date]", '"x;y"', "Name"])
comments = st.sampled_from(["-- it's; SELECT 1\n", "/* a; ``` b */", "-- note\n", "/* select\n\n it */"])
spaces = st.one_of(
    st.sampled_from([" ", "\n", "\n\n", "\n  ", "  "]), comments.map(lambda comment: f" {comment} ")
)
values = st.one_of(strings, st.integers(0, 999).map(str), columns, columns.map("max({})".format))


@st.composite
def selects(draw: st.DrawFn, depth: int = 2, tail: bool = True) -> str:
    """Return a SELECT without a final semicolon."""
    tokens = ["SELECT", ", ".join(draw(st.lists(values, min_size=1, max_size=3)))]
    inner = f"({draw(selects(depth - 1))})" if depth and draw(st.booleans()) else ""
    tokens += [
        "FROM",
        inner or draw(st.sampled_from(["t", '"Order Details"', "t AS x", "t JOIN u ON t.a = u.a"])),
    ]
    if draw(st.booleans()):
        condition = st.sampled_from(["=", "<", "<>", "LIKE"])
        tokens += ["WHERE", draw(columns), draw(condition), draw(values)]
        if depth and draw(st.booleans()):
            tokens += ["AND", "a", "IN", f"({draw(selects(depth - 1))})"]
    if tail:
        tokens += draw(st.sampled_from([[], ["GROUP BY", "1"], ["ORDER BY", "a", "DESC"], ["LIMIT", "3"]]))
    statement = tokens[0]
    for token in tokens[1:]:
        statement += draw(spaces) + token
    return statement


@st.composite
def statements(draw: st.DrawFn) -> str:
    """Return a statement that may run: a SELECT, a union of two or one with a CTE."""
    kind = draw(
        st.sampled_from(["{}", "{} UNION ALL\n{}", "WITH x AS ({}),\ny(a) AS ({})\n{}", "{} EXCEPT {}"])
    )
    whole = kind.count("{}") - 1
    tails = [index == whole or kind.startswith("WITH") for index in range(whole + 1)]
    statement = kind.format(*(draw(selects(tail=tail)) for tail in tails))
    try:
        assume(check_select(statement, SQLITE) == statement)
    except UnsafeSqlError:
        assume(False)
    return statement


LEADS = [
    "",
    "Here is the query:\n",
    "Sure! It's simple; use this.\n\n",
    "1. Look at the customers' orders.\n\n",
]
TAILS = [
    "",
    "\n\nThis returns all rows.",
    "\n\nExplanation: it's (almost) what you've asked for; see above.\n",
]
TAILS += [
    "\n\n| a | b |\n|---|---|\n",
    "\n```\na | b\n--+--\n1 | 2\n```\n",
    "\n```python\nprint('SELECT')\n```",
]
THOUGHTS = [
    "",
    "<think>\nMaybe SELECT 9;\n</think>\n",
    "so SELECT 9;</think>",
    "<think><think>a</think> b</think>",
]
THOUGHTS += ["<|channel|>analysis<|message|>SELECT 9<|end|><|start|>assistant<|channel|>final<|message|>"]
ENDS = ["", "<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>\nSELECT 8"]


@st.composite
def around(draw: st.DrawFn, wrapped: str) -> str:
    """Return ``wrapped`` with thinking, prose, tables and tokens around it."""
    pieces = [st.sampled_from(THOUGHTS), st.sampled_from(LEADS), st.just(wrapped), st.sampled_from(TAILS)]
    return "".join(draw(piece) for piece in [*pieces, st.sampled_from(ENDS)])


@settings(derandomize=True)
@given(st.data(), statements(), st.sampled_from([";", " ;\n", ";;"]))
def test_bare(data: st.DataObject, statement: str, end: str) -> None:
    """A semicolon ends a statement that stands in prose."""
    answer = data.draw(around(statement + end))
    assert extract_sql(answer, SQLITE) == statement


@settings(derandomize=True)
@given(
    st.data(),
    statements(),
    st.sampled_from(["sql", "SQL ", " sql", "sqlite", ""]),
    st.sampled_from(["", ";"]),
)
def test_fenced(data: st.DataObject, statement: str, language: str, end: str) -> None:
    """A fence ends a statement; one in a literal or a comment doesn't."""
    fence = data.draw(st.sampled_from(["```", "````", "~~~"]))
    answer = data.draw(around(f"{fence}{language}\n{statement}{end}\n{fence}\n"))
    assert extract_sql(answer, SQLITE) == statement


@settings(derandomize=True)
@given(statements(), st.sampled_from(THOUGHTS), st.sampled_from(LEADS), st.sampled_from(["", ";"]))
def test_unclosed_fence(statement: str, thought: str, lead: str, end: str) -> None:
    """The fence that would close the text may be missing."""
    assert extract_sql(f"{thought}{lead}```sql\n{statement}{end}", SQLITE) == statement


@settings(derandomize=True)
@given(st.data(), statements())
def test_earlier_statements_do_not_count(data: st.DataObject, statement: str) -> None:
    """Of several the last is taken."""
    earlier = data.draw(statements())
    assert extract_sql(data.draw(around(f"```sql\n{earlier};\n{statement};\n```")), SQLITE) == statement
    answer = f"```sql\n{earlier}\n```\nBetter:\n```sql\n{statement}\n```"
    assert extract_sql(data.draw(around(answer)), SQLITE) == statement


@settings(derandomize=True)
@given(st.data(), statements(), st.sampled_from(["sql", "query", "statement"]), st.booleans(), st.booleans())
def test_json(data: st.DataObject, statement: str, key: str, fenced: bool, indented: bool) -> None:
    """A JSON value is a statement, at any depth and in a fence."""
    value = {"reasoning": "I select a; then b", "result": {"tables": ["t"], key: statement}}
    text = json.dumps(value, indent=2 if indented else None)
    answer = data.draw(around(f"```json\n{text}\n```" if fenced else text))
    assert extract_sql(answer, SQLITE) == statement


@settings(derandomize=True)
@given(st.data(), statements())
def test_tagged(data: st.DataObject, statement: str) -> None:
    """A tag ends a statement."""
    assume("</sql>" not in statement)
    assert extract_sql(data.draw(around(f"<sql>\n{statement}\n</sql>")), SQLITE) == statement


@settings(derandomize=True)
@given(st.data(), statements())
def test_what_was_cut_off_is_never_a_part_of_the_statement(data: st.DataObject, statement: str) -> None:
    """A fence that breaks off yields what it holds, or nothing that may run."""
    # With a literal that was cut off, a fence that begins or ends a line can't be told from a closing one.
    assume("\n```" not in statement and "```\n" not in statement)
    cut = statement[: data.draw(st.integers(8, len(statement)))].strip()
    found = extract_sql(f"```sql\n{cut}", SQLITE)
    try:
        runs = check_select(found, SQLITE)
    except UnsafeSqlError:
        return
    assert runs == cut.rstrip("; \n")


@settings(derandomize=True)
@given(
    st.text(), st.lists(st.sampled_from([*INSIDE, *THOUGHTS, *LEADS, *TAILS, *ENDS, "SELECT", "WITH x AS ("]))
)
def test_any_text_is_read(text: str, pieces: list[str]) -> None:
    """Reading never raises and makes nothing up."""
    found = extract_sql(text.join(pieces), SQLITE)
    assert isinstance(found, str)


@settings(derandomize=True)
@given(
    st.data(),
    st.tuples(selects(tail=False), selects()),
    st.sampled_from(["UNOIN", "UNOIN ALL", "unon", "EXECPT", "Intersct"]),
    st.sampled_from(["```sql\n{}\n```\n", "{};", "<sql>{}</sql>"]),
)
def test_a_misspelt_union_is_no_reason_to_run_one_side_alone(
    data: st.DataObject, sides: tuple[str, str], operator: str, wrapped: str
) -> None:
    """Whatever its sides and wherever it stands, what is found can't run, and is there to be repaired."""
    for side in sides:
        try:
            assume(check_select(side, SQLITE) == side)
        except UnsafeSqlError:
            assume(False)
    statement = f"{sides[0]}{data.draw(spaces)}{operator}{data.draw(spaces)}{sides[1]}"
    assume("</sql>" not in wrapped or "</sql>" not in statement)
    found = extract_sql(data.draw(around(wrapped.format(statement))), SQLITE)
    with pytest.raises(UnsafeSqlError):
        check_select(found, SQLITE)
    assert operator in found


escaped = st.lists(st.sampled_from([*INSIDE, "\\'", "\\\\", "\\n"]), max_size=4)
dollars = st.lists(st.sampled_from([*INSIDE, "it's", "$", "$b$"]), max_size=4)
special = st.one_of(
    escaped.map(lambda parts: f"E'{''.join(parts)}'"),
    dollars.map(lambda parts: f"$a${''.join(parts)}$a$"),
    dollars.filter(lambda parts: "$" not in parts).map(lambda parts: f"$${''.join(parts)}$$"),
)


@settings(derandomize=True)
@given(
    st.data(), special, st.sampled_from([POSTGRESQL, DUCKDB]), st.sampled_from(["```sql\n{}\n```\n", "{};"])
)
def test_strings_of_other_dialects(data: st.DataObject, text: str, dialect: Dialect, wrapped: str) -> None:
    """Texts with backslashes and between dollars hide what they hold, in prose and in a fence."""
    statement = f"SELECT a, {text} AS b FROM t WHERE c = 'it''s' ORDER BY 1"
    try:
        assume(check_select(statement, dialect) == statement)
    except UnsafeSqlError:
        assume(False)
    assert extract_sql(data.draw(around(wrapped.format(statement))), dialect) == statement
