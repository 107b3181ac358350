"""The rules of right answers on hand-made cases, whose results follow from the official scripts."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.scoring.bird_judge import BirdJudge
from launch.bench.accuracy.scoring.demo_judge import DemoJudge, Verdict
from launch.bench.accuracy.scoring.execution import Executor, Row
from launch.bench.accuracy.scoring.rves import r_ves, reward, usual_mean
from launch.bench.accuracy.scoring.soft_f1 import soft_f1
from launch.bench.accuracy.scoring.spider2_judge import (
    RightResult,
    RightResults,
    has_one,
    read_columns,
)
from launch.bench.accuracy.scoring.spider_judge import SpiderJudge, comparable, same_result
from tests.launch.bench.accuracy.benchmark_folders import BAKERY, FEWER_CAKES, database

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture
def bakery(tmp_path: Path) -> Path:
    return database(tmp_path / "bakery.sqlite", BAKERY)


def _ticking(seconds: float) -> Executor:
    """Return an executor whose clock goes on by ``seconds`` at every look."""
    ticks = itertools.count()
    return Executor(clock=lambda: next(ticks) * seconds)


# --- execution --------------------------------------------------------------------------------------


def test_a_statement_that_never_ends_is_stopped(bakery: Path) -> None:
    """The limit holds inside one statement."""
    found = _ticking(20.0).run(bakery, ENDLESS, 30.0)
    assert (found.rows, found.error) == ([], "stopped after 30 s")


@pytest.mark.parametrize(
    "sql", ["DELETE FROM cakes", "ATTACH 'other.sqlite' AS o", "SELECT 1; SELECT 2", "SELECT gone", "("]
)
def test_what_does_not_read_fails(bakery: Path, sql: str) -> None:
    """The file stays as it is, and the reason is told."""
    assert Executor().run(bakery, sql, 30.0).error
    assert Executor().run(bakery, "SELECT count(*) FROM cakes", 30.0).rows == [(4,)]


def test_text_that_is_not_utf8_fails_or_is_shortened(bakery: Path) -> None:
    """BIRD's script runs with Python's defaults, Spider's leaves out wrong bytes."""
    sql = "SELECT CAST(x'61ff' AS TEXT)"
    assert Executor().run(bakery, sql, 30.0).error
    assert Executor(undecodable="ignore").run(bakery, sql, 30.0).rows == [("a",)]


# --- BIRD -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "sql", "right"),
    [
        # Rows are sets: their order doesn't count, even where the right statement has one.
        ("SELECT name FROM cakes ORDER BY name", "SELECT name FROM cakes ORDER BY name DESC", True),
        # Nor does how often a row occurs.
        ("SELECT price FROM cakes", "SELECT DISTINCT price FROM cakes", True),
        # The order of columns does.
        ("SELECT name, price FROM cakes", "SELECT price, name FROM cakes", False),
        # A further column makes other rows.
        ("SELECT name FROM cakes", "SELECT name, price FROM cakes", False),
        # Numbers are equal by value, whatever their type; numbers in text are none.
        ("SELECT 4", "SELECT 4.0", True),
        ("SELECT 4", "SELECT '4'", False),
        # Nothing is rounded.
        ("SELECT 0.3", "SELECT 0.1 + 0.2", False),
        # Null is a value like any other.
        ("SELECT baked FROM cakes WHERE id = 3", "SELECT NULL", True),
        # Two empty results are the same, whatever their columns.
        ("SELECT name FROM cakes WHERE price > 9", "SELECT name, id FROM cakes WHERE price > 8", True),
        # What doesn't run is wrong.
        ("SELECT name FROM cakes", "SELECT title FROM cakes", False),
    ],
)
def test_bird_compares_sets_of_rows(bakery: Path, gold: str, sql: str, right: bool) -> None:
    """``evaluation_ex.py``: ``set(predicted) == set(ground_truth)``."""
    asked = BenchmarkQuestion("0", "bakery", "?", gold)
    assert BirdJudge({"bakery": bakery}, 0).judge(asked, sql).right is right


def test_bird_gives_both_statements_one_limit_together(bakery: Path) -> None:
    """``evaluation_ex.py``: one timeout of 30 s for the pair; the right one took 20 of them here."""
    judge = BirdJudge({"bakery": bakery}, 0, _ticking(20.0))
    score = judge.judge(BenchmarkQuestion("0", "bakery", "?", "SELECT 1"), ENDLESS)
    assert (score.right, score.error, score.gold_failed) == (False, "stopped after 10 s", False)


def test_a_right_statement_that_fails_makes_the_answer_wrong(bakery: Path) -> None:
    """``evaluation_ex.py``: an exception in either of the two counts as 0.  It is told apart here."""
    score = BirdJudge({"bakery": bakery}, 0).judge(
        BenchmarkQuestion("0", "bakery", "?", "SELECT gone FROM cakes"), "SELECT 1"
    )
    assert (score.right, score.soft_f1, score.gold_failed) == (False, 0.0, True)
    assert "no such column: gone" in (score.error or "")


@pytest.mark.parametrize(
    ("right", "found", "score"),
    [
        # Two empty results.
        ([], [], 1.0),
        # Nothing was to be found, or nothing was.
        ([], [(1,)], 0.0),
        ([(1,)], [], 0.0),
        # Within a row the place of a value doesn't count.
        ([(1, "a")], [("a", 1)], 1.0),
        # Half of the one row: tp = 1/2, fp = 1/2, fn = 1/2.
        ([(1, "a")], [(1, "b")], 0.5),
        # A further column: tp = 1, fp = 1, fn = 0 (shares of the right row's one column).
        ([(1,)], [(1, 2)], 2 / 3),
        # A column too few: tp = 1/2, fp = 0, fn = 1/2.
        ([(1, 2)], [(1,)], 2 / 3),
        # Rows are paired by their place: none of these pairs matches.
        ([(1,), (2,)], [(2,), (1,)], 0.0),
        # Duplicates are dropped before that.
        ([(1,), (1,), (2,)], [(1,), (2,), (2,)], 1.0),
        # A row too many: tp = 1, fp = 1.  A row too few: tp = 1, fn = 1.
        ([(1,)], [(1,), (2,)], 2 / 3),
        ([(1,), (2,)], [(1,)], 2 / 3),
        # The rows of the example in BIRD's description, its gaps being null: tp = 2, fp = 1, fn = 1.
        (
            [("Apple", 325), ("Orange", None), ("Banana", 119)],
            [(325, "Apple"), (191, "Orange"), (None, "Banana")],
            2 * 2 / (2 * 2 + 1 + 1),
        ),
    ],
)
def test_soft_f1_counts_values_of_paired_rows(right: list[Row], found: list[Row], score: float) -> None:
    """``evaluation_f1.py``: precision and recall of tp, fp and fn, summed over the pairs of rows."""
    assert soft_f1(right, found) == pytest.approx(score)


@pytest.mark.parametrize(
    ("ratio", "worth"),
    [(2.0, 1.25), (1.99, 1.0), (1.0, 1.0), (0.99, 0.75), (0.5, 0.75), (0.49, 0.5), (0.25, 0.5), (0.01, 0.25)],
)
def test_the_reward_has_five_steps(ratio: float, worth: float) -> None:
    """``evaluation_ves.py``: from 2, 1, 0.5 and 0.25 on, and what is left."""
    assert reward(ratio) == worth


def test_outliers_are_left_out_of_the_ratio() -> None:
    """``evaluation_ves.py``: values three standard deviations from the mean or farther are dropped."""
    assert usual_mean([1.0, 1.2] * 10 + [100.0]) == pytest.approx(1.1)
    # One in nine can't be as far away as that.
    assert usual_mean([1.0] * 8 + [100.0]) == 12.0
    # Where all are the same, the script would drop all of them.
    assert usual_mean([0.7] * 5) == pytest.approx(0.7)


def test_r_ves_is_the_mean_root_of_the_rewards() -> None:
    """``evaluation_ves.py``: the sum of the square roots over all questions, wrong ones being 0."""
    assert r_ves([1.25, 1.0, 0.25, 0.0]) == pytest.approx((math.sqrt(1.25) + 1 + 0.5) / 4)


def test_only_a_right_answer_is_timed(bakery: Path) -> None:
    """On a clock by which all statements take equally long, a right answer has the reward 1."""
    asked = BenchmarkQuestion("0", "bakery", "?", "SELECT name FROM cakes")
    judge = BirdJudge({"bakery": bakery}, 5, _ticking(0.1))
    assert judge.judge(asked, "SELECT name FROM cakes").reward == 1.0
    assert judge.judge(asked, "SELECT price FROM cakes").reward == 0.0
    assert judge.judge(asked, "SELECT title FROM cakes").reward == 0.0


# --- Spider -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "found", "ordered", "same"),
    [
        # Two empty results, whatever their columns.
        ([], [], False, True),
        # Another number of rows, or of columns.
        ([(1,)], [(1,), (1,)], False, False),
        ([(1,)], [(1, 1)], False, False),
        # Bags: how often a row occurs counts, its place doesn't.
        ([(1,), (1,), (2,)], [(1,), (2,), (2,)], False, False),
        ([(1,), (2,)], [(2,), (1,)], False, True),
        # Its place counts where the right statement has an order.
        ([(1,), (2,)], [(2,), (1,)], True, False),
        # Any order of the columns, but the same for all rows.
        ([(1, "a"), (2, "b")], [("a", 1), ("b", 2)], False, True),
        ([(1, "a"), (2, "b")], [("a", 1), ("b", 2)], True, True),
        ([(1, 2), (3, 4)], [(1, 2), (4, 3)], False, False),
        # Each column has the right values, but they are not in the right rows.
        ([(1, 3, 5), (2, 4, 6)], [(1, 4, 5), (2, 3, 6)], False, False),
        # Columns with the same values: only one of their orders is right.
        ([(1, 2, 2), (2, 1, 1), (2, 2, 1)], [(2, 1, 2), (1, 2, 1), (1, 2, 2)], False, True),
        # Equal columns.
        ([(1, 1, 2), (3, 3, 4)], [(2, 1, 1), (4, 3, 3)], False, True),
        # A whole number equals the same number with a point; text is no number.
        ([(1, "a")], [(1.0, "a")], False, True),
        ([(1,)], [("1",)], False, False),
        # A quirk of the script: rows are first sorted by text, in which 1.5 stands between 1.0 and 1.
        ([(1, 1.5)], [(1.0, 1.5)], False, False),
    ],
)
def test_spider_compares_bags_of_rows(right: list[Row], found: list[Row], ordered: bool, same: bool) -> None:
    """``exec_eval.py``: ``result_eq``."""
    assert same_result(right, found, ordered) is same


def test_wide_results_are_compared_quickly() -> None:
    """Thirty columns have more orders than could be tried."""
    right = [tuple((row * column) % 3 for column in range(30)) for row in range(40)]
    assert same_result(right, [row[::-1] for row in right], False)
    assert not same_result(right, [(*row[:0:-1], 7) for row in right], False)


@pytest.mark.parametrize(
    ("sql", "run"),
    [
        # DISTINCT is taken out wherever it stands, but for names and texts.
        ("SELECT DISTINCT a, count(distinct b) FROM t", "SELECT  a, count( b) FROM t"),
        ('SELECT "distinct" FROM t', 'SELECT "distinct" FROM t'),
        ("SELECT 'distinct'", "SELECT 'distinct'"),
        # Operators that were written apart are joined.
        ("SELECT a FROM t WHERE a > = 1 AND b ! = 2", "SELECT a FROM t WHERE a >= 1 AND b != 2"),
        # This year is 2020.
        ("SELECT year(curdate()) - a FROM t", "SELECT 2020- a FROM t"),
    ],
)
def test_spider_changes_statements_before_they_run(sql: str, run: str) -> None:
    """``exec_eval.py``: ``remove_distinct``, ``postprocess`` and ``replace_cur_year``."""
    assert comparable(sql) == run


def test_an_answer_must_be_right_on_every_database(bakery: Path, tmp_path: Path) -> None:
    """``exec_eval.py``: all databases of the folder decide."""
    empty = database(tmp_path / "empty.sqlite", FEWER_CAKES)
    asked = BenchmarkQuestion("0", "bakery", "?", "SELECT count(*) FROM cakes")
    answer = "SELECT 4"
    assert SpiderJudge({"bakery": [bakery]}).judge(asked, answer).right
    assert not SpiderJudge({"bakery": [bakery, empty]}).judge(asked, answer).right
    assert SpiderJudge({"bakery": [bakery, empty]}).judge(asked, "SELECT count(id) FROM cakes").right


def test_the_order_counts_where_the_right_statement_has_one(bakery: Path) -> None:
    """``exec_eval.py``: ``order_matters`` is whether the right one has ``order by``."""
    judge = SpiderJudge({"bakery": [bakery]})
    up, down = "SELECT id FROM cakes ORDER BY id", "SELECT id FROM cakes order by id DESC"
    assert not judge.judge(BenchmarkQuestion("0", "bakery", "?", up), down).right
    assert judge.judge(BenchmarkQuestion("1", "bakery", "?", "SELECT id FROM cakes"), down).right


# --- Spider 2-lite ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "answer", "columns", "ignore_order", "same"),
    [
        # Names don't count, further columns neither.
        ("a\n1\n2\n", "x,y\nu,1\nv,2\n", (), False, True),
        # Every right column must be there.
        ("a,b\n1,u\n2,v\n", "x\n1\n2\n", (), False, False),
        # Only some of them, where the rules say so.
        ("a,b\n1,u\n2,v\n", "x\n1\n2\n", (0,), False, True),
        # One column may do for two.
        ("a,b\n1,1\n", "x\n1\n", (), False, True),
        # Another number of rows.
        ("a\n1\n2\n", "x\n1\n2\n2\n", (), True, False),
        # The order counts unless the rules say otherwise; each column is then sorted by itself.
        ("a\n1\n2\n", "x\n2\n1\n", (), False, False),
        ("a,b\n1,u\n2,v\n", "x,y\n2,u\n1,v\n", (), True, True),
        # Numbers may differ by 0.01.
        ("a\n1.005\n", "x\n1.01\n", (), False, True),
        ("a\n1\n", "x\n1.02\n", (), False, False),
        # What is missing is 0, and a word for it is missing, too.
        ("a\n0\n5\n", 'x\n""\n5\n', (), False, True),
        ("a\nNULL\n5\n", "x\n0\n5\n", (), False, True),
        # Text is compared as it is, a number in a column of text too.
        ("a\nu\n", "x\nU\n", (), False, False),
        ("a\nu\n1\n", "x\nu\n1.0\n", (), False, False),
        # Truths are numbers.
        ("a\nTrue\nFalse\n", "x\n1\n0\n", (), False, True),
        # No rows on either side.
        ("a\n", "x\n", (), False, True),
    ],
)
def test_spider2_looks_for_the_right_columns(
    right: str, answer: str, columns: tuple[int, ...], ignore_order: bool, same: bool
) -> None:
    """``evaluate.py``: ``compare_pandas_table`` on what pandas reads from CSV."""
    results = RightResults([RightResult(read_columns(right), columns)], ignore_order)
    assert has_one(read_columns(answer), results) is same


def test_any_of_several_right_results_suffices() -> None:
    """``evaluate.py``: ``compare_multi_pandas_table``."""
    results = RightResults([RightResult(read_columns("a\n1\n")), RightResult(read_columns("a\n2\n"))])
    assert has_one(read_columns("x\n2\n"), results)
    assert not has_one(read_columns("x\n3\n"), results)


# --- the demo ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "sql", "verdict"),
    [
        ("SELECT id FROM cakes", "SELECT id FROM cakes ORDER BY id DESC", (True, True)),
        ("SELECT id FROM cakes ORDER BY id", "SELECT id FROM cakes ORDER BY id DESC", (False, False)),
        ("SELECT id FROM cakes", "SELECT name, id FROM cakes", (False, True)),
        ("SELECT id FROM cakes", "SELECT price FROM cakes", (False, False)),
        ("SELECT id FROM cakes", None, (False, False)),
        ("SELECT id FROM cakes WHERE id > 5", "SELECT name FROM cakes WHERE id > 5", (True, True)),
    ],
)
def test_demo_answers_are_judged_by_their_rows(
    bakery: Path, gold: str, sql: str | None, verdict: tuple[bool, bool]
) -> None:
    """Another order counts where one was asked for; further columns are told apart from wrong rows."""
    assert DemoJudge(bakery).verdict(gold, sql) == Verdict(*verdict)


def test_a_demo_answer_that_does_not_run_is_wrong(bakery: Path) -> None:
    """The reason is told."""
    verdict = DemoJudge(bakery).verdict("SELECT id FROM cakes", "SELECT gone FROM cakes")
    assert verdict == Verdict(False, False, "no such column: gone")
