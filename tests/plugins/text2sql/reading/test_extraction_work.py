"""The work of reading an answer grows with its length, whatever it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from re import Match

import pytest

from plugins.text2sql.databases import safety
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.reading import containers, sql_extraction, sql_lexer, statement_end
from plugins.text2sql.reading.sql_extraction import extract_sql

LENGTH = 200_000
MOST_LEXED = 2
"""Characters lexed for each one given."""
REPEATED = [
    *(
        "SELECT ",
        "SELECT a FROM t\n",
        "SELECT a FROM t;",
        "SELECT (",
        "(SELECT ",
        "SELECT '",
        "SELECT /*",
        "SELECT --",
    ),
    *(
        "select the good. ",
        "SELECT a FROM t UNION ALL ",
        "WITH x AS (",
        "with ((((",
        "(",
        "((1",
        "`",
        "` ",
        "`SELECT a` ",
    ),
    *(
        "```sql\n",
        "```sql\nSELECT a FROM\n```\n",
        "```sql\nSELECT '",
        "```sql\nSELECT a FROM t\n",
        "~~~\n",
        "'''\n",
    ),
    *(
        '{"sql": "',
        '{"sql": "SELECT ',
        '{"sql": "SELECT 1", ',
        "<sql>",
        "<sql>SELECT ",
        "</sql>",
        "/*",
        "--",
        "'",
        '"',
    ),
    *(
        "<think>",
        "</think>",
        "<think></think>",
        "<|channel|>",
        "<|channel|>analysis<|message|>",
        "<|im_end|>",
        "<|",
    ),
    *(
        "\n",
        " ",
        "a ",
        "A b. ",
        "> ```sql\n",
        "> select\n",
        "FROM t ",
        "\nFROM t SELECT a",
        "SELECT a FROM t\nThis is it.\n",
        "SELECT a FROM t WHERE b = 'it''s",
        "é",
        "\\",
        '\\"',
    ),
]
ADVERSARIAL = {piece: piece * (LENGTH // len(piece)) for piece in REPEATED}
ADVERSARIAL |= {
    "cut-off list": "SELECT a FROM t WHERE x IN (" + "1, " * (LENGTH // 3),
    "cut-off list of 18,000 characters": "SELECT a FROM t WHERE x IN (" + "1, " * 6_000,
    "a list in an unclosed fence": "```sql\nSELECT a FROM t WHERE x IN (" + "1, " * 6_000,
    "lines after a long statement": f"SELECT a FROM t WHERE x IN ({'1, ' * 6_000}1)" + "\nThis is it" * 5_000,
    "nested fences": "".join("`" * width + "sql\n" for width in range(600, 3, -1)),
    "comments behind tags": "<sql>/*" * (LENGTH // 7),
    "comments behind tags, and a JSON value": "<sql>/*" * (LENGTH // 14)
    + '{"sql": "SELECT ' * (LENGTH // 32),
    "fences in comments": "-- ```\nFROM t SELECT a" * (LENGTH // 22),
    "tags in texts": "SELECT '<sql>' WITH x AS (\"" * (LENGTH // 27),
    "spaces": "SELECT" + " " * LENGTH + "a",
    "nested parentheses": f"SELECT {'(' * 9_000}1{')' * 9_000}",
}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return what is counted while the test runs: characters ``lexed`` and ``parsed``, and ``parses``."""
    work: Counter[str] = Counter()

    def tokens(text: str, dialect: str, start: int, stop: int) -> Iterator[Match[str]]:
        at = start
        for token in sql_lexer.tokens(text, dialect, start, stop):
            work["lexed"] += token.end() - at
            at = token.end()
            yield token

    def check_select(statement: str, dialect: Dialect) -> str:
        work["parses"] += 1
        work["parsed"] += len(statement)
        return safety.check_select(statement, dialect)

    for module in (containers, sql_extraction, statement_end):
        monkeypatch.setattr(module, "tokens", tokens)
    monkeypatch.setattr(sql_extraction, "check_select", check_select)
    return work


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_work_is_bounded(name: str, work: Counter[str]) -> None:
    """Characters lexed are at most a few times those given, and characters parsed a constant."""
    extract_sql(ADVERSARIAL[name], SQLITE)
    assert work["parses"] <= sql_extraction.MAX_PARSES
    assert work["parsed"] <= sql_extraction.MAX_PARSED_CHARACTERS
    assert work["lexed"] <= MOST_LEXED * LENGTH


@pytest.mark.parametrize("lead", ["", "```sql\n"])
def test_an_answer_of_megabytes_is_not_read(lead: str, work: Counter[str]) -> None:
    """No statement may be that long; what comes back says so when it is checked."""
    answer = extract_sql(f"<think>a</think>{lead}SELECT a FROM t WHERE x IN (" + "1, " * 700_000, SQLITE)
    assert len(answer) == sql_extraction.MAX_ANSWER_CHARACTERS
    assert work == Counter()
    with pytest.raises(safety.UnsafeSqlError, match="characters, more than"):
        safety.check_select(answer, SQLITE)


def test_thinking_of_megabytes_hides_no_answer() -> None:
    """The bound is the answer's: what was thought before may be as long as it likes."""
    assert extract_sql(f"<think>{'SELECT b ' * 100_000}</think>SELECT a", SQLITE) == "SELECT a"


def test_a_list_that_was_cut_off_is_not_parsed(work: Counter[str]) -> None:
    """Parentheses that are left open tell without a parser."""
    text = "SELECT a FROM t WHERE x IN (" + "1, " * 5_000
    extract_sql(text, SQLITE)
    assert work["parses"] == 0
    assert len(text) - 1 <= work["lexed"] <= 3 * len(text)


def test_a_statement_before_prose_is_parsed_once(work: Counter[str]) -> None:
    """Where prose certainly begins, nothing else is tried."""
    assert extract_sql("SELECT a FROM t\nThis is it.", SQLITE) == "SELECT a FROM t"
    assert work["parses"] == 1
