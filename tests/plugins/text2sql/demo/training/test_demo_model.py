"""The demo model as it is shipped, and how its answers are judged."""

from __future__ import annotations

import itertools
import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from launch.demo_assets import demo_model
from launch.server.model_folders import declared_context
from plugins.text2sql.demo.question.familiar import known_words, unfamiliar
from plugins.text2sql.demo.training.exam import read_questions
from plugins.text2sql.demo.training.judging import Verdict, judged
from plugins.text2sql.demo.training.language.world import World
from plugins.text2sql.demo.training.tasks import tasks
from sched.errors import ConfigError


def test_it_is_small_and_whole() -> None:
    """At most 16 MB, with all that SGLang needs, and a card that says what it is."""
    folder = Path(demo_model())
    assert sum(file.stat().st_size for file in folder.iterdir()) < 16e6
    assert declared_context(demo_model()) == 8192
    assert {"config.json", "tokenizer.json", "tokenizer_config.json", "README.md"} <= {
        file.name for file in folder.iterdir()
    }


def test_its_tokenizer_loses_nothing(world: World) -> None:
    """Every answer comes back as it was, every prompt fits in a few tokens."""
    tokenizer = Tokenizer.from_file(f"{demo_model()}/tokenizer.json")
    for task in itertools.islice(tasks(world, random.Random(9)), 500):
        for text in [task.answer, *(segment.text for segment in task.prompt)]:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            assert tokenizer.decode(ids) == text
            assert len(ids) < 200


def test_strange_words_are_named() -> None:
    """A question about something else is recognised by its words; stored values are no strangers."""
    known = known_words(["Ġorders", "Ġhow", "many", "Ġfrom", "<|end|>", "Ġ="])
    assert unfamiliar("How many order from Tokyo by spaceship?", known, ["customers.city = 'Tokyo'"]) == [
        "spaceship"
    ]
    assert unfamiliar("how many orders", known, []) == []


@pytest.mark.parametrize(
    ("gold", "sql", "verdict"),
    [
        ("SELECT a FROM t", "SELECT a FROM t ORDER BY a DESC", Verdict(True, True)),
        ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC", Verdict(False, False)),
        ("SELECT a FROM t", "SELECT b, a FROM t", Verdict(False, True)),
        ("SELECT a FROM t", "SELECT b FROM t", Verdict(False, False)),
        ("SELECT a FROM t", "SELECT c FROM t", Verdict(False, False)),
        ("SELECT a FROM t", None, Verdict(False, False)),
        ("SELECT a FROM t WHERE a > 5", "SELECT b FROM t WHERE a > 5", Verdict(True, True)),
    ],
)
def test_answers_are_judged_by_their_rows(
    tmp_path: Path, gold: str, sql: str | None, verdict: Verdict
) -> None:
    """Another order counts where one was asked for; further columns are told apart from wrong rows."""
    path = tmp_path / "t.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, 'y');")
    assert judged(path, gold, sql) == verdict


def test_a_broken_file_of_questions_is_refused(tmp_path: Path) -> None:
    """The message names the file and the line."""
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps({"question": "How many?", "sql": "SELECT 1"}) + "\n{}\n")
    with pytest.raises(ConfigError, match=r"questions\.jsonl, line 2"):
        read_questions(file)
    with pytest.raises(ConfigError, match="name a file"):
        read_questions(tmp_path / "missing")
