"""Training examples: for each stage the prompt that the workflow makes, and the right answer."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from plugins.text2sql import stages
from plugins.text2sql.demo.terse import DEMO, TESTS
from plugins.text2sql.demo.training.breaking import broken
from plugins.text2sql.demo.training.language.generator import Question, draw
from plugins.text2sql.demo.training.language.world import World
from plugins.text2sql.prompts import wording
from plugins.text2sql.prompts.layout import Topic
from sched.workflow import Segment, SqlResult

_EMPTY = "the statement ran and returned no rows"
_SHARES = {
    stages.GENERATE_CANDIDATE: 69,
    stages.SCHEMA_LINKING: 7,
    stages.EXTRACT_KEYWORDS: 4,
    stages.REVISE: 13,
    stages.GENERATE_UNIT_TEST: 3,
    stages.EVALUATE: 3,
    stages.INFORMATION_RETRIEVAL: 1,
}
# How many of the questions are learned from by their difficulty: simple ones are soon known.
_KEPT = (0.35, 0.6, 1.0)
# How often the linked tables in a prompt are wrong, for each style.
_WRONG_TABLES = (0.06, 0.3)
_AGENTS = {
    stages.INFORMATION_RETRIEVAL: (
        stages.EXTRACT_KEYWORDS,
        wording.RETRIEVE_VALUES,
        wording.RETRIEVE_COLUMNS,
    ),
    stages.UNIT_TESTER: (stages.GENERATE_UNIT_TEST, stages.EVALUATE),
}


@dataclass(frozen=True, slots=True)
class Task:
    """What the model is asked, as segments, and what it is to answer."""

    stage: str
    prompt: list[Segment]
    answer: str


def tasks(world: World, rng: random.Random) -> Iterator[Task]:
    """Yield training examples without end; none is of a held-out kind."""
    names, weights = list(_SHARES), list(_SHARES.values())
    with closing(sqlite3.connect(world.path)) as connection:
        while True:
            question = draw(world, rng)
            stage = rng.choices(names, weights)[0]
            if question.held_out or question.unseen or rng.random() >= _KEPT[min(question.difficulty, 2)]:
                continue
            made = _task(world, connection, stage, question, rng)
            if made is not None:
                yield made


def held_out_tasks(world: World, rng: random.Random, count: int) -> list[Task]:
    """Return ``count`` tasks of writing SQL for combinations that training leaves out."""
    made: list[Task] = []
    while len(made) < count:
        question = draw(world, rng, "seen")
        if question.held_out:
            topic = topic_of(world, question)
            made.append(
                Task(
                    stages.GENERATE_CANDIDATE,
                    DEMO.candidate(DEMO.styles[0], topic, question.tables),
                    question.sql,
                )
            )
    return made


def topic_of(world: World, question: Question, rng: random.Random | None = None) -> Topic:
    """Return what the prompts about ``question`` show; with ``rng`` not always what it should be."""
    # Nothing is looked up of what is made up: that would find nothing, slowly.
    keywords = list(question.stored or (() if question.evidence else question.keywords))
    if rng is not None and rng.random() < 0.12:
        words = question.text.split()
        keywords.append(rng.choice(words).strip("?.,"))
    found = [*question.evidence, *world.evidence(keywords, question.text)]
    if rng is not None:
        if rng.random() < 0.05:
            found = []
        if question.evidence and rng.random() < 0.3:
            rng.shuffle(found)
    return Topic("", question.text, DEMO.retrieved(found, ()))


def revision_task(
    world: World, connection: sqlite3.Connection, question: Question, rng: random.Random
) -> Task | None:
    """Return the task to repair a broken statement, or ``None`` if it happens to run and give rows."""
    return _revision(connection, topic_of(world, question), question, rng)


def _task(
    world: World, connection: sqlite3.Connection, stage: str, question: Question, rng: random.Random
) -> Task | None:
    if stage == stages.EXTRACT_KEYWORDS:
        return Task(
            stage, DEMO.keywords(Topic("", question.text)), json.dumps(question.keywords, ensure_ascii=False)
        )
    if stage == stages.GENERATE_UNIT_TEST:
        answer = "\n".join(f"- {part}" for part in question.shape)
        return Task(stage, DEMO.unit_tests(Topic("", question.text), "", len(TESTS)), answer)
    if stage == stages.EVALUATE:
        return _evaluation(rng)
    if stage == stages.INFORMATION_RETRIEVAL:
        return _decision(question, rng)
    topic = topic_of(world, question, rng)
    if stage == stages.SCHEMA_LINKING:
        answer = json.dumps(question.tables, separators=(",", ":"))
        return Task(stage, DEMO.linking(topic), answer)
    if stage == stages.REVISE:
        return _revision(connection, topic, question, rng)
    style = rng.choice(DEMO.styles)
    # One style learns to do with tables that are wrong, so that the candidates don't share every mistake.
    wrong = rng.random() < _WRONG_TABLES[style is DEMO.styles[1]]
    linked = _other_tables(world, question, rng) if wrong else list(question.tables)
    return Task(stage, DEMO.candidate(style, topic, linked), question.sql)


def _other_tables(world: World, question: Question, rng: random.Random) -> list[str]:
    """Return tables as bad schema linking gives them: one more or one less, or any."""
    others = [table for table in world.parents if table not in question.tables]
    if rng.random() < 0.4:
        return rng.sample(list(world.parents), rng.randint(1, 3))
    dropped = rng.choice(question.tables)
    if len(question.tables) > 1 and rng.random() < 0.5:
        return [table for table in question.tables if table != dropped]
    return [*question.tables, rng.choice(others)]


def _revision(
    connection: sqlite3.Connection, topic: Topic, question: Question, rng: random.Random
) -> Task | None:
    wrong = broken(question.sql, rng)
    try:
        empty = connection.execute(wrong).fetchone() is None
    except sqlite3.Error as error:
        return Task(stages.REVISE, DEMO.revision(topic, wrong, str(error)), question.sql)
    return Task(stages.REVISE, DEMO.revision(topic, wrong, _EMPTY), question.sql) if empty else None


def _evaluation(rng: random.Random) -> Task:
    results = []
    for _ in range(rng.choice((2, 2, 3))):
        value = rng.choice((1, "x", "2024-01-01"))
        row = (value,) * rng.randint(1, 3)
        results.append(SqlResult("", ("c",) * len(row), (row,) * rng.randint(1, 2)))
    group = rng.randrange(len(TESTS))
    test = rng.choice(TESTS[group])
    compared = DEMO.compared(results)
    lines = [
        f"Candidate {number}: {'passed' if test in line else 'failed'}"
        for number, line in enumerate(compared.splitlines(), 1)
    ]
    return Task(stages.EVALUATE, DEMO.evaluation(Topic("", ""), compared, test), "\n".join(lines))


def _decision(question: Question, rng: random.Random) -> Task:
    agent = rng.choice(list(_AGENTS))
    tools = _AGENTS[agent]
    used = rng.randrange(len(tools))
    return Task(agent, DEMO.decision(agent, Topic("", question.text), tools[:used]), tools[used])
