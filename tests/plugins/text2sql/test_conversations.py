"""A question may go on with a conversation: earlier turns stand in its prompts."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.majority.majority import Majority
from plugins.text2sql.conversations import MOST_TOLD, MOST_TURNS, Conversations, ConversationTurn, told
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.demo.demo_profile import DemoProfile
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact, Profile
from plugins.text2sql.program import Text2Sql
from plugins.text2sql.question import EarlierQuestion, QuestionRequest
from plugins.workflow_kind import Resources
from sched.errors import ConflictError, InvalidRequestError
from tests.plugins.text2sql.scripted_shop import RIGHT, FakeRetrieval, scripted
from tests.plugins.text2sql.scripted_steps import Call, Journal, ScriptedSteps, by_stage

FIRST = "How many customers live in Germany?"
TOLD = (
    f"Earlier question: {FIRST}\nIts SQL: {RIGHT}\nIts result: 1 row with count(*)\nQuestion: And in Italy?\n"
)
TURN = ConversationTurn.of("How many?", "SELECT 1", ["n"], 1)


class ManualClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _asked(calls: list[Call]) -> set[str]:
    return {segment.text for call in calls for segment in call.segments if segment.kind == "question"}


async def _two(
    workflow: Any, registry: DatabaseRegistry, **second: Any
) -> tuple[dict[str, Any], dict[str, Any], Journal]:
    """Ask twice; the second question goes on with the first one's conversation."""
    model = scripted()
    first = await workflow.program(QuestionRequest(question=FIRST), "shop")(ScriptedSteps(model, registry))
    follows = QuestionRequest(question="And in Italy?", conversation_id=first["conversation_id"], **second)
    steps = ScriptedSteps(model, registry)
    return first, await workflow.program(follows, "shop")(steps), steps.journal


def _text2sql(registry: DatabaseRegistry, profile: Profile) -> Text2Sql:
    return Text2Sql(Resources(registry, profile, Text2SqlOptions(), FakeRetrieval()))


async def test_a_follow_up_is_told_the_question_before_it_its_sql_and_its_result(
    registry: DatabaseRegistry,
) -> None:
    """In every prompt, in front of the question; the answer says how many turns."""
    first, second, journal = await _two(_text2sql(registry, Compact()), registry)
    assert (first["conversation_turns"], second["conversation_turns"]) == (0, 1)
    assert second["conversation_id"] == first["conversation_id"]
    assert _asked(journal.calls) == {TOLD}


async def test_the_majority_reads_the_conversation_too(registry: DatabaseRegistry) -> None:
    """The same fields hold for it."""
    workflow = Majority().open(Resources(registry, Compact(), Text2SqlOptions()))
    _, second, journal = await _two(workflow, registry)
    assert (second["conversation_turns"], _asked(journal.calls)) == (1, {TOLD})


async def test_a_model_that_reads_no_earlier_questions_says_so(registry: DatabaseRegistry) -> None:
    """The demo model was trained without."""
    model = by_stage(information_retrieval="done", schema_linking='["customers"]', generate_candidate=RIGHT)
    workflow = Text2Sql(Resources(registry, DemoProfile(), Text2SqlOptions()))
    request = QuestionRequest(question=FIRST, conversation_id="mine")
    first = await workflow.program(request, "shop")(ScriptedSteps(model, registry))
    steps = ScriptedSteps(model, registry)
    second = await workflow.program(request, "shop")(steps)
    plain = await workflow.program(QuestionRequest(question=FIRST), "shop")(ScriptedSteps(model, registry))
    assert plain["conversation_id"] is None
    assert "conversation_note" not in first | plain
    assert (second["conversation_turns"], second["conversation_note"]) == (
        0,
        "this server's model reads no earlier questions",
    )
    assert not any("Earlier" in call.prompt for call in steps.journal.calls)


async def test_a_client_may_keep_the_conversation_itself(registry: DatabaseRegistry) -> None:
    """The server keeps nothing of it then."""
    earlier = [
        *[EarlierQuestion(question=f"q{number}", sql="SELECT 1") for number in range(MOST_TURNS)],
        EarlierQuestion(question="Huh?"),
    ]
    request = QuestionRequest(question="And in Italy?", earlier=earlier)
    steps = ScriptedSteps(scripted(), registry)
    answer = await _text2sql(registry, Compact()).program(request, "shop")(steps)
    assert (answer["conversation_id"], answer["conversation_turns"]) == (None, MOST_TURNS)
    asked = _asked(steps.journal.calls).pop()
    assert asked.startswith("Earlier question: q1\nIts SQL: SELECT 1\nEarlier question: q2\n")
    assert asked.endswith("Earlier question: Huh?\nQuestion: And in Italy?\n")


def test_there_is_one_source_of_a_conversation() -> None:
    """Two would contradict each other."""
    with pytest.raises(InvalidRequestError, match="exclude each other") as caught:
        QuestionRequest(question="x", earlier=[], conversation_id="mine")
    assert caught.value.field == "earlier"


async def test_what_gave_no_sql_is_no_turn(registry: DatabaseRegistry) -> None:
    """There is nothing to go on from."""
    workflow = _text2sql(registry, Compact())
    request = QuestionRequest(question=FIRST, conversation_id="mine")
    model = scripted(generate_candidate="I can't", revise="I can't")
    await workflow.program(request, "shop")(ScriptedSteps(model, registry))
    answer = await workflow.program(request, "shop")(ScriptedSteps(scripted(), registry))
    assert answer["conversation_turns"] == 0


def test_a_conversation_belongs_to_one_database() -> None:
    """The error names the field and the remedy."""
    conversations = Conversations(10, 60.0)
    conversations.go_on("mine", "shop")
    with pytest.raises(ConflictError, match="is about database 'shop', not 'bank'") as caught:
        conversations.go_on("mine", "bank")
    assert caught.value.field == "conversation_id"


def test_the_latest_turns_of_the_latest_used_conversations_are_kept() -> None:
    """As many as are told; the others begin anew."""
    conversations = Conversations(2, 60.0)
    for number in range(MOST_TURNS + 2):
        conversations.add("a", "shop", ConversationTurn.of(f"q{number}", "SELECT 1", [], 0))
    assert [turn.question for turn in conversations.go_on("a", "shop")[1]] == ["q2", "q3", "q4", "q5", "q6"]
    conversations.add("b", "shop", TURN)
    conversations.go_on("a", "shop")
    conversations.add("c", "shop", TURN)
    assert len(conversations) == 2
    assert conversations.go_on("a", "shop")[1]
    assert conversations.go_on("b", "bank") == ("b", ())


def test_a_conversation_expires_after_its_latest_use() -> None:
    """Its time begins anew with each question."""
    clock = ManualClock()
    conversations = Conversations(10, 60.0, clock)
    conversations.add("a", "shop", TURN)
    conversations.add("b", "shop", TURN)
    clock.now = 60.0
    assert conversations.go_on("a", "shop")[1] == (TURN,)
    clock.now = 61.0
    assert conversations.go_on("b", "shop")[1] == ()
    assert conversations.go_on("a", "shop")[1] == (TURN,)


def test_names_that_the_server_gives_differ() -> None:
    """So nobody goes on with another's conversation by chance."""
    conversations = Conversations(10, 60.0)
    assert conversations.go_on(None, "shop")[0] != conversations.go_on(None, "shop")[0]


def test_a_turn_and_what_prompts_tell_are_bounded() -> None:
    """The latest turns are told; each is one line a part."""
    turn = ConversationTurn.of("word\n" * 1000, "SELECT " * 1000, ["c" * 500] * 500, None)
    assert (len(turn.question), len(turn.sql), len(turn.columns), len(turn.columns[0])) == (500, 1000, 8, 64)
    text, count = told([TURN, turn, turn, TURN])
    assert (count, len(text) <= MOST_TOLD) == (2, True)
    assert text.endswith("Its result: 1 row with n\n")
    assert text.startswith("Earlier question: word word")
    assert told([]) == ("", 0)
