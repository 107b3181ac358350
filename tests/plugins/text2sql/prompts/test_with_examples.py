"""The long prompts hold real worked examples, of the published length, in the form of real prompts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from plugins.text2sql import stages
from plugins.text2sql.answers import Decision
from plugins.text2sql.databases.safety import check_select
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.profile import Compact, Full
from plugins.text2sql.prompts.layout import COMPACT, Topic
from plugins.text2sql.prompts.with_examples import full_prompts
from plugins.text2sql.prompts.worked_examples import ExampleDatabase, assemble, example_databases
from plugins.text2sql.reading.sql_extraction import extract_sql
from sched.workflow import SegmentKind, SqlResult

CHARACTERS_PER_TOKEN = 3.9
"""Of these texts, with the tokenizer of Llama 3.1 (measured)."""


@pytest.fixture(scope="module")
def databases() -> Iterator[tuple[ExampleDatabase, ...]]:
    with example_databases() as databases:
        yield databases


def test_every_example_is_true(databases: tuple[ExampleDatabase, ...]) -> None:
    """The right statement runs and returns rows; the mistake fails or finds nothing; rivals differ."""
    examples = [(database, example) for database in databases for example in database.examples]
    assert len(examples) >= 16
    for database, example in examples:
        assert check_select(example.sql, SQLITE) == example.sql
        right = database.run(example.sql)
        assert right.rows, (example.ask, right.error)
        assert example.sql.count(example.wrong[0]) >= 1, example.ask
        wrong = database.run(example.wrong_sql)
        assert wrong.error or not wrong.rows, example.ask
        assert example.tables(database.schema), example.ask
        if example.rival:
            assert database.run(example.rival_sql).rows != right.rows, example.ask
            assert len(example.tests) >= 2


def test_keywords_of_examples_come_from_the_question(databases: tuple[ExampleDatabase, ...]) -> None:
    """Nothing is asked for that the question doesn't say, but for a country named by its adjective."""
    for database in databases:
        for example in database.examples:
            strange = {word for word in example.keywords if word.lower() not in example.ask.lower()}
            assert strange <= {"Norway"}, example.ask


def test_a_statement_is_put_together_in_the_order_of_sql(databases: tuple[ExampleDatabase, ...]) -> None:
    """Parts stand in the order of thought; unfinished statements show what is missing."""
    parts = databases[0].examples[0].parts
    assert assemble(parts[:1]) == "SELECT …\nFROM visits"
    assert assemble([*parts[1:], parts[0]]) == assemble(parts)


@pytest.mark.parametrize(
    ("stage", "published"),
    [
        (stages.INFORMATION_RETRIEVAL, 213),
        (stages.EXTRACT_KEYWORDS, 630),
        (stages.REVISE, 3059),
        (stages.UNIT_TESTER, 213),
        (stages.GENERATE_UNIT_TEST, 436),
        (stages.EVALUATE, 261),
    ],
)
def test_templates_have_the_published_length(stage: str, published: int) -> None:
    """Within a third of the shared prefix in the published traces."""
    tokens = len(full_prompts().templates[stage]) / CHARACTERS_PER_TOKEN
    assert published * 0.67 < tokens < published * 1.33


def test_styles_have_the_published_length() -> None:
    """The first agent's template is about 9,000 tokens, the second's about 5,300."""
    divide, plan = (len(style.template) / CHARACTERS_PER_TOKEN for style in full_prompts().styles)
    assert 9158 * 0.8 < divide < 9158 * 1.2
    assert 5292 * 0.8 < plan < 5292 * 1.2


def test_the_text_is_the_same_each_time() -> None:
    """A template that changed between two starts would be cached by no runtime."""
    first = full_prompts()
    full_prompts.cache_clear()
    assert full_prompts() == first
    assert full_prompts() is not first


@pytest.mark.parametrize("style", [0, 1])
def test_examples_end_in_the_statement_that_would_be_run(style: int) -> None:
    """The SQL of each solution is found by the code that reads a model's answers, whatever precedes it."""
    template = full_prompts().styles[style].template
    solutions = template.split("Solution:\n")[1:]
    assert len(solutions) >= 16
    for solution in solutions:
        answer = solution.split("\n\nQuestion:")[0].split("\n\nSchema:")[0].split("\n\nThe task")[0]
        statement = extract_sql(answer, SQLITE)
        assert answer.endswith(f"```sql\n{statement}\n```")


def test_examples_look_like_the_real_prompt(databases: tuple[ExampleDatabase, ...]) -> None:
    """The same words introduce schema, question, tables and answer; each schema is shown once."""
    prompts = full_prompts()
    template = prompts.styles[0].template
    real = prompts.candidate(
        prompts.styles[0], Topic("S", "Q?", COMPACT.retrieved(["a = 'b'"], ["a"])), ["t"]
    )
    text = "".join(segment.text for segment in real if segment.kind != SegmentKind.TEMPLATE)
    for line in re.findall(r"^[A-Z][a-z ]+:", text, re.MULTILINE):
        assert f"\n{line}" in template or line == "Columns that may matter:"
    assert template.count("Schema:\n") == len(databases)
    assert text.endswith("Solution:\n")


def test_agents_see_decisions_on_offer() -> None:
    """Each worked decision names a tool that the agent has, and the last is to end."""
    for stage in (stages.INFORMATION_RETRIEVAL, stages.UNIT_TESTER):
        template = full_prompts().templates[stage]
        decisions = re.findall(r"Next: (\w+)", template)
        assert decisions[-1] == "done"
        offered = re.findall(r"^(\w+) (?:names|finds|ends|writes|judges)", template, re.MULTILINE)
        assert set(decisions) == set(offered)
        assert [Decision(tuple(offered)).read(name) for name in decisions] == decisions


def test_the_profiles_have_their_prompts() -> None:
    """The full one asks for reasoning before the SQL, the compact one for SQL alone."""
    assert Full().prompts is full_prompts()
    assert full_prompts().sql_cue == "Solution:\n"
    assert Compact().prompts is COMPACT
    assert COMPACT.sql_cue == "SQL: "


def test_both_profiles_know_every_stage() -> None:
    """What one has, the other has, under the same names."""
    assert set(COMPACT.templates) == set(full_prompts().templates)
    assert {style.name for style in COMPACT.styles} == {style.name for style in full_prompts().styles}
    for stage, text in COMPACT.templates.items():
        assert full_prompts().templates[stage].startswith(text)


def test_candidates_are_compared_by_their_first_rows() -> None:
    """Wide and long results are cut, so that the prompt of a judgement stays short."""
    long = SqlResult("SELECT 1", ("a",), tuple(("x" * 500,) for _ in range(9)), truncated=True)
    text = COMPACT.compared([SqlResult("SELECT 2", ("a",), ((2,),)), long])
    assert "Candidate 1:\nSELECT 2\nResult: 1 row, beginning with (2,)\n" in text
    assert "Candidate 2:\nSELECT 1\nResult: more than 9 rows, beginning with ('xxx" in text
    assert len(text) < 400
