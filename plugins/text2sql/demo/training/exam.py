"""Questions to examine the demo model by, none of which it was trained on."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from plugins.text2sql.demo.training.language.generator import Question, draw
from plugins.text2sql.demo.training.language.world import World
from plugins.text2sql.demo.training.tasks import Task, revision_task
from sched.errors import ConfigError

_SEED = 20_241_231


@dataclass(frozen=True, slots=True)
class ExamQuestion:
    """A question and the SQL that answers it."""

    question: str
    sql: str


def combinations(world: World, count: int) -> list[ExamQuestion]:
    """Return questions that put together what training never put together, with values it has seen."""
    return _drawn(world, count, "seen", lambda question: question.held_out)


def unseen_values(world: World, count: int) -> list[ExamQuestion]:
    """Return questions about values that training left out, put together as in training."""
    return _drawn(world, count, "unseen", lambda question: question.unseen and not question.held_out)


@dataclass(frozen=True, slots=True)
class Repair:
    """The ``task`` of repairing SQL, what was ``asked``, and the ``values`` that retrieval finds."""

    task: Task
    asked: ExamQuestion
    values: Sequence[str]


def repairs(world: World, count: int) -> list[Repair]:
    """Return tasks of repairing SQL after SQLite's own message.

    The questions are of combinations that training left out.
    """
    rng = random.Random(_SEED)
    made: list[Repair] = []
    with closing(sqlite3.connect(world.path)) as connection:
        while len(made) < count:
            question = draw(world, rng, "seen")
            if question.held_out and (task := revision_task(world, connection, question, rng)):
                values = world.evidence(question.stored or question.keywords, question.text)
                made.append(Repair(task, ExamQuestion(question.text, question.sql), values))
    return made


def read_questions(path: Path) -> list[ExamQuestion]:
    """Return the questions of a file with a JSON object, ``question`` and ``sql``, in each line.

    Raises:
        ConfigError: it can't be read; names the file and the line.
    """
    found = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error}; name a file with --free", field="free") from error
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            found.append(ExamQuestion(str(entry["question"]), str(entry["sql"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{path}, line {number}: {error!r}; each line is an object with question and sql",
                field="free",
            ) from error
    return found


def _drawn(world: World, count: int, mode: str, wanted: Callable[[Question], bool]) -> list[ExamQuestion]:
    rng = random.Random(_SEED)
    found: dict[str, ExamQuestion] = {}
    with closing(sqlite3.connect(world.path)) as connection:
        while len(found) < count:
            question = draw(world, rng, mode)
            # A question whose right answer is empty would be answered right by many a wrong statement.
            if wanted(question) and connection.execute(question.sql).fetchone():
                found.setdefault(question.text, ExamQuestion(question.text, question.sql))
    return list(found.values())
