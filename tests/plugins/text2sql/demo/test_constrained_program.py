"""A model without any skill, bound by the grammars, takes a question through all stages to its end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.demo.demo_profile import DemoProfile
from plugins.text2sql.demo.terse import DEMO
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.program import Text2Sql
from plugins.text2sql.prompts.layout import COMPACT, Prompts
from plugins.text2sql.retrieval.retrieval import Found
from plugins.workflow_kind import Resources
from tests.plugins.text2sql.demo.grammar.grammar_machine import compiler, walk
from tests.plugins.text2sql.scripted_shop import a_request
from tests.plugins.text2sql.scripted_steps import Call, ScriptedSteps

QUESTION = 'Which customers from "Köln" bought an Alto Pro Camera?'


class NoRetrieval:
    """Has no index and remembers the keywords."""

    def __init__(self) -> None:
        self.keywords: list[str] = []

    def prepare(self, database: str) -> None:
        """Nothing to make."""

    async def values(self, database: str, keywords: Sequence[str], question: str, hint: str = "") -> Found:
        self.keywords += keywords
        return Found()

    async def columns(self, database: str, keywords: Sequence[str]) -> Found:
        return Found()


class RandomModel:
    """Writes any byte that the grammar of a call allows."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._compiler = compiler()
        self.calls: list[tuple[Call, int]] = []

    def __call__(self, call: Call, _: int) -> str:
        text = walk(self._compiler.compile_grammar(call.params.sampling["ebnf"]), self._rng)
        # A token is a byte, and one more ends the text.
        self.calls.append((call, len(text.encode()) + 1))
        return text


@pytest.fixture(scope="module")
def model() -> RandomModel:
    return RandomModel(3)


@pytest.mark.parametrize("prompts", [COMPACT, DEMO], ids=["compact", "demo"])
async def test_random_answers_lead_to_an_end_within_bounds(
    registry: DatabaseRegistry, model: RandomModel, prompts: Prompts
) -> None:
    """Every call ends by itself within its token limit; a question takes about 12 to 20 calls."""
    retrieval = NoRetrieval()
    model.calls.clear()
    totals = []
    visited: Counter[str] = Counter()
    text2sql = Text2Sql(Resources(registry, DemoProfile(prompts), Text2SqlOptions(), retrieval))
    for _ in range(20):
        steps = ScriptedSteps(model, registry)
        answer = await text2sql.program(a_request(QUESTION), "shop")(steps)
        assert answer["status"] in ("ok", "empty")
        assert all(candidate["error"] is None for candidate in answer["candidates"])
        counted = Counter(steps.journal.stages())
        visited += counted
        totals.append(counted.total() - counted["revise"])
        assert counted["information_retrieval"] == 4
        assert counted["extract_keywords"] == 1
        assert counted["unit_tester"] in (0, 3)
        assert counted["evaluate"] == counted["unit_tester"]
        assert counted["revise"] <= 9
    assert min(totals) >= 9
    assert max(totals) <= 17
    for stage in ("unit_tester", "generate_unit_test", "evaluate", "revise"):
        assert visited[stage], stage
    for call, tokens in model.calls:
        assert tokens <= call.params.max_new_tokens, call.stage
    assert all(keyword in QUESTION for keyword in retrieval.keywords)
    assert len(retrieval.keywords) > 8


async def test_short_stages_are_bound_to_few_tokens(registry: DatabaseRegistry, model: RandomModel) -> None:
    """What isn't SQL costs a slow model little: at most a few hundred bytes, mostly a few words."""
    model.calls.clear()
    steps = ScriptedSteps(model, registry)
    resources = Resources(registry, DemoProfile(), Text2SqlOptions(), NoRetrieval())
    await Text2Sql(resources).program(a_request(QUESTION), "shop")(steps)
    limits = {call.stage: call.params.max_new_tokens for call, _ in model.calls}
    assert limits["information_retrieval"] <= 20
    assert limits["extract_keywords"] <= 160
    assert limits["schema_linking"] <= 80
    assert limits.get("unit_tester", 0) <= 20
    assert limits.get("evaluate", 0) <= 70
    assert limits.get("generate_unit_test", 0) <= 300


async def test_a_question_without_words_is_no_obstacle(
    registry: DatabaseRegistry, model: RandomModel
) -> None:
    """Marks alone, or one endless word, leave the keywords' grammar valid."""
    for question in ("???", "x" * 500):
        steps = ScriptedSteps(model, registry)
        text2sql = Text2Sql(Resources(registry, DemoProfile(), Text2SqlOptions(candidates=1), NoRetrieval()))
        answer = await text2sql.program(a_request(question), "shop")(steps)
        assert answer["sql"]
        assert answer["retrieval"]["keywords"] == []
