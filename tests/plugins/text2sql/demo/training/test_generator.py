"""The demo model's training data: right SQL, in the workflow's own forms, without what is held out."""

from __future__ import annotations

import itertools
import json
import random
import re
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from plugins.text2sql import answers, stages
from plugins.text2sql.databases.safety import check_select
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.demo.grammar.answer_trees import answer_tree
from plugins.text2sql.demo.grammar.joins import MOST_TABLES
from plugins.text2sql.demo.grammar.statements import sql_tree
from plugins.text2sql.demo.grammar.tree import to_ebnf
from plugins.text2sql.demo.grammar.values import values_about
from plugins.text2sql.demo.terse import DEMO, TESTS
from plugins.text2sql.demo.training import exam
from plugins.text2sql.demo.training.breaking import broken
from plugins.text2sql.demo.training.language.expand import expand
from plugins.text2sql.demo.training.language.generator import Question, draw
from plugins.text2sql.demo.training.language.measures import Dimension
from plugins.text2sql.demo.training.language.phrase import Phrase
from plugins.text2sql.demo.training.language.world import World
from plugins.text2sql.demo.training.tasks import Task, tasks
from sched.workflow import Generation, SqlResult
from tests.plugins.text2sql.demo.grammar.grammar_machine import accepts, compiled, sql_grammar


@pytest.fixture(scope="module")
def questions(world: World) -> list[Question]:
    rng = random.Random(3)
    return [draw(world, rng) for _ in range(1700)]


@pytest.fixture(scope="module")
def drawn(world: World) -> list[Task]:
    return list(itertools.islice(tasks(world, random.Random(5)), 1500))


def parts(question: Question) -> list[str]:
    return question.combination.replace(",", " ").split()


def complaint(connection: sqlite3.Connection, sql: str) -> str:
    try:
        found = connection.execute(sql).fetchone()
    except sqlite3.Error as error:
        return str(error)
    return "it gave a row" if found else "the statement ran and returned no rows"


# A fault of the grammar or of a form of question hits many of them: the first few hundred have all 15 forms.
@pytest.mark.parametrize("count", [300, pytest.param(1700, marks=pytest.mark.slow)])
def test_every_right_answer_runs_and_can_be_written_under_the_grammar(
    world: World, questions: list[Question], count: int
) -> None:
    """The model never learns SQL that the workflow would refuse or the grammar would not let it write."""
    grammar = compiled(sql_grammar(world.schema))
    with closing(sqlite3.connect(world.path)) as connection:
        for question in questions[:count]:
            assert check_select(question.sql, SQLITE) == question.sql
            connection.execute(question.sql).fetchone()
            assert accepts(grammar, question.sql), question.sql
            assert 1 <= len(question.tables) <= MOST_TABLES
            assert all(table in question.sql for table in question.tables)


# Each makes and compiles the grammar of the whole shop, a quarter of a second at least.
@pytest.mark.parametrize("count", [6, pytest.param(25, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", ["seen", "unseen"])
def test_a_questions_own_grammar_allows_its_right_answer(world: World, mode: str, count: int) -> None:
    """What is bound by a question's values and numbers, or needed, never excludes what is meant."""
    rng = random.Random(7)
    for _ in range(count):
        question = draw(world, rng, mode)
        found = world.evidence(question.stored or question.keywords, question.text)
        tree = sql_tree(world.schema, values=values_about(world.schema, question.text, found))
        assert accepts(compiled(to_ebnf(tree)), question.sql), question


def test_the_questions_are_many(questions: list[Question]) -> None:
    """Few questions come twice, and they put together a great many things."""
    assert len({question.text for question in questions}) > 1300
    assert len({question.combination for question in questions}) > 700
    forms = Counter(question.combination.split()[0] for question in questions)
    assert len(forms) == 15
    assert min(forms.values()) > 8


def test_keywords_are_words_of_the_question(questions: list[Question]) -> None:
    """What a bound model is to look up, it can say."""
    for question in questions[:200]:
        grammar = compiled(to_ebnf(answer_tree(answers.Keywords(question.text))))
        assert accepts(grammar, json.dumps(question.keywords, ensure_ascii=False)), question


def test_the_same_seed_gives_the_same_tasks(world: World, drawn: list[Task]) -> None:
    """Training can be repeated."""
    again = list(itertools.islice(tasks(world, random.Random(5)), 100))
    assert again == drawn[:100]
    assert again != list(itertools.islice(tasks(world, random.Random(6)), 100))


def test_all_stages_are_learned_in_their_own_form(drawn: list[Task]) -> None:
    """Each stage's right answer is read by the workflow as it was meant."""
    by_stage: dict[str, list[Task]] = {}
    for task in drawn:
        by_stage.setdefault(task.stage, []).append(task)
    assert set(by_stage) == {
        stages.INFORMATION_RETRIEVAL,
        stages.EXTRACT_KEYWORDS,
        stages.SCHEMA_LINKING,
        stages.GENERATE_CANDIDATE,
        stages.REVISE,
        stages.UNIT_TESTER,
        stages.GENERATE_UNIT_TEST,
        stages.EVALUATE,
    }
    for task in by_stage[stages.GENERATE_UNIT_TEST]:
        form = answers.UnitTests(4)
        assert len(form.of(Generation(task.answer, "stop", 1, 0, 1))) == len(TESTS)
    for task in by_stage[stages.EVALUATE]:
        prompt = "".join(segment.text for segment in task.prompt)
        test = prompt.rpartition("test: ")[2].strip()
        passed = answers.Verdicts(3).of(Generation(task.answer, "stop", 1, 0, 1))
        lines = [line for line in prompt.splitlines() if line.startswith("Candidate")]
        assert passed == {number for number, line in enumerate(lines) if test in line}


def test_what_is_held_out_is_not_trained(world: World, drawn: list[Task]) -> None:
    """No right answer names a held-out value, and no question of the exams occurs among the tasks."""
    texts = [task.answer for task in drawn]
    for column, values in world.unseen.items():
        for value in values:
            assert not any(f"= '{value}'" in text for text in texts), (column, value)
    trained = {task.prompt[0].text.strip() for task in drawn}
    for questions in (exam.combinations(world, 40), exam.unseen_values(world, 40)):
        assert len({question.question for question in questions}) == 40
        # Very short questions have few wordings; what they mean is still new.
        assert sum(question.question in trained for question in questions) <= 2


def test_broken_sql_is_broken(world: World) -> None:
    """Each repair task starts from SQL that fails or finds nothing, and ends with SQL that runs."""
    with closing(sqlite3.connect(world.path)) as connection:
        for repair in exam.repairs(world, 40):
            task, gold = repair.task, repair.asked.sql
            wrong = task.prompt[-1].text.partition("\nfailed: ")[0]
            assert wrong != gold
            assert f"failed: {complaint(connection, wrong)}\n" in task.prompt[-1].text
            connection.execute(gold)
    rng = random.Random(1)
    assert len({broken("SELECT name FROM products WHERE name = 'Alto'", rng) for _ in range(50)}) > 20


def test_what_simple_questions_ask_is_not_held_out(world: World, questions: list[Question]) -> None:
    """Only what puts several things together is, and of such things each is trained elsewhere."""
    kept = [question for question in questions if question.held_out]
    assert 15 < len(kept) < 90
    assert all(question.parts >= 2 for question in kept)
    rng = random.Random(7)
    untrained = {part for question in kept for part in parts(question)}
    for _ in range(30_000):
        other = draw(world, rng)
        untrained.difference_update(() if other.held_out else parts(other))
        if not untrained:
            break
    assert not untrained


def test_conditions_come_in_one_order(questions: list[Question]) -> None:
    """What a question says first makes no difference."""
    several = 0
    for question in questions:
        where = re.search(r" WHERE (.*?)(?: GROUP BY | ORDER BY | LIMIT |$)", question.sql)
        if where and "(SELECT" not in where[1]:
            conditions = re.sub(r"(BETWEEN \S+) AND", r"\1 to", where[1]).split(" AND ")
            assert conditions == sorted(conditions), question.sql
            several += len(conditions) > 1
    assert several > 300


@pytest.mark.parametrize(
    ("column", "condition", "settled"),
    [
        ("substr(orders.ordered_on, 1, 4)", "orders.ordered_on LIKE '2024%'", True),
        ("substr(orders.ordered_on, 1, 4)", "orders.ordered_on LIKE '2024-05%'", True),
        ("substr(orders.ordered_on, 1, 7)", "orders.ordered_on LIKE '2024%'", False),
        ("substr(orders.ordered_on, 1, 7)", "orders.ordered_on LIKE '2024-05%'", True),
        ("substr(orders.ordered_on, 1, 4)", "orders.ordered_on >= '2024-01-01'", False),
        ("substr(orders.ordered_on, 1, 4)", "orders.status = 'paid'", False),
        ("orders.status", "orders.status = 'paid'", True),
    ],
)
def test_nobody_asks_for_groups_where_only_one_is_left(column: str, condition: str, settled: bool) -> None:
    """Years are no groups within a year; its months are."""
    phrase = Phrase("orders", "orders", where=[condition], conditions=[condition.split()[0]])
    assert Dimension(column, "group").settled(phrase) is settled


def test_shapes_are_those_of_results() -> None:
    """What unit tests compare is read off the rows that a statement gave."""
    one = SqlResult("", ("n",), ((3,),))
    many = SqlResult("", ("d", "x", "y", "z"), (("2024-01-01", 1, 2, 3), ("2024-01-02", 1, 2, 3)))
    assert DEMO.compared([one, many]) == (
        "Candidate 1: one row, one column, a number\nCandidate 2: several rows, three columns, a date\n"
    )


def test_the_notation_of_paraphrases() -> None:
    """Choices, optional parts and slots; brackets that don't match are refused."""
    rng = random.Random(1)
    assert {expand("a (b|c) [d] {e}", rng, {"e": "f"}) for _ in range(50)} == {
        "a b f",
        "a c f",
        "a b d f",
        "a c d f",
    }
    for wrong in ("a (b", "a]", "(a]"):
        with pytest.raises(ValueError, match="bracket"):
            expand(wrong, rng)
