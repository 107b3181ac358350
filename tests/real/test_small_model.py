"""A real chat model, SmolLM2-135M-Instruct, goes through the whole workflow on a real runtime.

Nothing is said about its SQL, which is seldom right: calls end, can be read, stay within the plan, and find
what they share with others in the cache.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.controller.prompt_encoder import PromptEncoder
from launch.api.openai.served_model import ServedModel
from launch.client.client_answers import QuestionAnswered
from launch.client.sluice_client import SluiceClient
from launch.controller.chat_frames import frames_of
from plugins.text2sql import stages
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import render
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.jobs import Jobs
from plugins.text2sql.options import Text2SqlOptions
from plugins.workflow_kind import Resources
from sched.workflow import Segment, SegmentKind
from tests.real.guided_profile import LISTING, Guided
from tests.real.real_server import RealServer, real_server
from tests.waiting import GUARD_SECONDS

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(3600)]

OPTIONS = Text2SqlOptions(candidates=2, max_revisions=1, early_ending=False, max_sql_tokens=96)
SLO_SECONDS = 3600.0
POOL_TOKENS = 8192
"""Room in the cache for all that the questions share, and for what they don't."""
SCHEMA = """
CREATE TABLE "order details" ("straße" TEXT, "select" TEXT, "unit price" REAL, "group" INTEGER, "a""b" TEXT);
CREATE TABLE "客户" ("编号" INTEGER PRIMARY KEY, "姓名" TEXT, "城市" TEXT);
CREATE TABLE "table" ("from" INTEGER REFERENCES "客户", "where" TEXT, "it's" TEXT);
INSERT INTO "order details" VALUES ('Hauptstraße', 'x', 9.5, 1, 'q'), ('Gasse', 'y', 2.5, 2, 'r'),
    ('O''Neil Street', 'z', 1.0, 3, 's');
INSERT INTO "客户" VALUES (1, '王伟', '北京'), (2, '李娜', '上海');
INSERT INTO "table" VALUES (1, 'Москва', 'yes');
"""
FIRST, SECOND = f"{LISTING} the streets of all orders.", f"{LISTING} what was selected, by group."
FREE = "How many customers live in 北京?"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("awkward") / "awkward.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
    return path


@pytest.fixture(scope="module")
def server(smollm2: Path, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    arguments = {
        "model-path": smollm2,
        "cpu-slots": 1,
        "database": f"awkward={database}",
        "prompt-profile": f"{Guided.__module__}:{Guided.__name__}",
        "candidates": OPTIONS.candidates,
        "max-revisions": OPTIONS.max_revisions,
        "max-sql-tokens": OPTIONS.max_sql_tokens,
        "max-answer-tokens": OPTIONS.max_answer_tokens,
        "schema-shape": "whole",  # linked tables are each question's own
        "call-timeout-seconds": SLO_SECONDS,
        "start-timeout-seconds": SLO_SECONDS,
    }
    flags = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    # SGLang makes the cache small where others take memory while it starts: a wide share, and a bound.
    flags += ["--mem-fraction-static", "0.6", "--no-early-ending", "--no-calibration"]
    folder = tmp_path_factory.mktemp("small")
    with real_server(folder, *flags, "--", "--max-total-tokens", str(POOL_TOKENS)) as running:
        yield running


@pytest.fixture(scope="module")
def answers(server: RealServer) -> Mapping[str, Mapping[str, Any]]:
    """Each question's answer; they were asked one after the other."""
    return {question: _answer(server, question) for question in (FIRST, SECOND, FREE)}


def _answer(server: RealServer, question: str) -> Mapping[str, Any]:
    # As a stream, which says something after every call: no wait is longer than that of one.
    options = {"slo_seconds": SLO_SECONDS, "include_outputs": True}
    with SluiceClient(server.url, timeout_seconds=GUARD_SECONDS) as client:
        last = list(client.stream(question, "awkward", **options))[-1]
    assert isinstance(last, QuestionAnswered)
    return last.answer.model_dump()


def _calls(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [step for step in answer["timeline"] if step["kind"] == "call"]


SQL_STAGES = {stages.GENERATE_CANDIDATE, stages.REVISE}
MOST_CALLS = {
    stages.INFORMATION_RETRIEVAL: 3 + 1,  # one for each tool, and one to end
    stages.EXTRACT_KEYWORDS: 1,
    stages.SCHEMA_LINKING: 1,
    stages.GENERATE_CANDIDATE: OPTIONS.candidates,
    stages.REVISE: OPTIONS.candidates * OPTIONS.max_revisions,
    stages.UNIT_TESTER: 2 + 1,
    stages.GENERATE_UNIT_TEST: 1,
    stages.EVALUATE: OPTIONS.max_unit_tests,
}


def _limit(stage: str) -> int:
    return OPTIONS.max_sql_tokens if stage in SQL_STAGES else OPTIONS.max_answer_tokens


def test_every_structured_answer_ends_and_can_be_read(answers: Mapping[str, Mapping[str, Any]]) -> None:
    """Decisions, keywords, tables, tests and verdicts: none runs into its limit, and each says something."""
    structured = [
        call for answer in answers.values() for call in _calls(answer) if call["stage"] not in SQL_STAGES
    ]
    assert {call["stage"] for call in structured} == set(MOST_CALLS) - SQL_STAGES
    for call in structured:
        assert (call["state"], call["finish_reason"]) == ("finished", "stop"), call
        assert not call["unreadable"], call
    for listing in (FIRST, SECOND):
        answer = answers[listing]
        assert answer["retrieval"]["keywords"]
        assert answer["tables"]
        assert answer["unit_tests"]


def test_a_question_stays_within_the_plan(answers: Mapping[str, Mapping[str, Any]]) -> None:
    """In calls and in tokens: what the options allow, whatever the model writes."""
    for answer in answers.values():
        calls = _calls(answer)
        made = Counter(call["stage"] for call in calls)
        assert all(count <= MOST_CALLS[stage] for stage, count in made.items()), made
        for call in calls:
            assert call["output_tokens"] <= _limit(call["stage"]), call


def test_every_question_has_an_answer(answers: Mapping[str, Mapping[str, Any]]) -> None:
    """Rows, none, or the reason why no SQL ran."""
    for listing in (FIRST, SECOND):
        assert answers[listing]["status"] == "ok"
        assert answers[listing]["columns"] == ["straße", "select"]
    free = answers[FREE]
    assert free["status"] in ("ok", "empty", "no_sql_ran", "not_understood")
    assert (free["sql"] is None) == (free["status"] in ("no_sql_ran", "not_understood"))
    assert (free["status"] == "no_sql_ran") == bool(free["sql_error"])


def test_a_second_question_finds_template_and_schema_in_the_cache(
    server: RealServer, answers: Mapping[str, Mapping[str, Any]], smollm2: Path, database: Path
) -> None:
    """In the first call of every stage, under the model's chat template."""
    with server.client() as client:
        info = client.get("/server_info").raise_for_status().json()
    assert info["max_total_num_tokens"] == POOL_TOKENS, "the machine has too little memory for this test"
    page = info["page_size"]
    firsts: dict[str, Mapping[str, Any]] = {}
    for call in _calls(answers[SECOND]):
        if not call["branch"]:  # of the candidates, the first: the second has another template
            firsts.setdefault(call["stage"], call)
    shared = asyncio.run(_shared_tokens(smollm2, database))
    assert set(firsts) == set(shared)
    for stage, tokens in shared.items():
        assert firsts[stage]["cached_tokens"] >= tokens - tokens % page, (stage, tokens, firsts[stage])
        assert firsts[stage]["cached_tokens"] < firsts[stage]["prompt_tokens"]


async def _shared_tokens(model: Path, path: Path) -> dict[str, int]:
    """Return how many tokens of each stage's prompts all questions share: template, schema, chat frame."""
    with closing(PromptEncoder.load(str(model))) as encoder, closing(DatabaseRegistry()) as databases:
        databases.register("awkward", SqliteDatabase, str(path))
        job = Jobs(Resources(databases, Guided(), OPTIONS)).of("awkward")
        prompts, topic = job.prompts, job.topic
        # Tests are about the tables that the statements name.
        judged = type(topic)(render(job.schema, ["order details"]), "")
        asked: dict[str, Sequence[Segment]] = {
            stages.INFORMATION_RETRIEVAL: prompts.decision(stages.INFORMATION_RETRIEVAL, topic, ()),
            stages.EXTRACT_KEYWORDS: prompts.keywords(topic),
            stages.SCHEMA_LINKING: prompts.linking(topic),
            stages.GENERATE_CANDIDATE: prompts.candidate(prompts.styles[0], topic, ()),
            stages.UNIT_TESTER: prompts.decision(stages.UNIT_TESTER, topic, ()),
            stages.GENERATE_UNIT_TEST: prompts.unit_tests(judged, "", 1),
            stages.EVALUATE: prompts.evaluation(judged, "", ""),
        }
        template = ServedModel.load("smollm2", str(model), encoder.tokenizer).chat_template
        assert template is not None
        frame = frames_of(template, {}).direct
        shared = {}
        for stage, segments in asked.items():
            framed = frame.around(segments)
            kinds = [segment.kind for segment in framed]
            encoded = await encoder.encode(framed)
            shared[stage] = encoded.boundaries[kinds.index(SegmentKind.QUESTION) - 1]
        return shared
