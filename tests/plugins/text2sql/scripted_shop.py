"""A question to the shop, scripted answers to every stage, and a stand-in for retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact, Profile
from plugins.text2sql.program import Text2Sql
from plugins.text2sql.question import QuestionRequest
from plugins.text2sql.retrieval.retrieval import Found
from plugins.workflow_kind import Resources
from tests.plugins.text2sql.scripted_steps import Hold, Journal, Model, ScriptedSteps, at_once, by_stage

QUESTION = "How many customers live in Germny?"
RIGHT = "SELECT count(*) FROM customers WHERE country = 'Germany'"
RIGHT_TOO = "SELECT count(id) AS n FROM customers WHERE customers.country = 'Germany'"
WRONG = "SELECT count(*) FROM customers"
OTHER = "SELECT country, count(*) FROM customers GROUP BY country"
BROKEN = "SELECT count(*) FROM customer"
EMPTY = "SELECT id FROM customers WHERE country = 'Germny'"

COMPACT_PROFILE = Compact()

ANSWERS: dict[str, Any] = {
    "information_retrieval": ["extract_keywords", "retrieve_values", "retrieve_columns", "done"],
    "extract_keywords": '["customers", "live", "Germny"]',
    "schema_linking": '["customers"]',
    "generate_candidate": f"```sql\n{RIGHT}\n```",
    "unit_tester": ["generate_unit_test", "evaluate", "done"],
    "generate_unit_test": "- Only customers from Germany are counted.\n- There is one row.",
    "evaluate": "Candidate 1: failed\nCandidate 2: passed\nCandidate 3: failed",
}


def a_request(question: str = QUESTION, candidates: int | None = None, evidence: str = "") -> QuestionRequest:
    return QuestionRequest(question=question, candidates=candidates, evidence=evidence)


class FakeRetrieval:
    """Finds a country by a misspelt name."""

    def __init__(self, note: str | None = None) -> None:
        self.note = note
        self.asked: list[list[str]] = []
        self.hints: list[str] = []
        self.prepared: list[str] = []

    def prepare(self, database: str) -> None:
        self.prepared.append(database)

    async def values(self, database: str, keywords: Sequence[str], question: str, hint: str = "") -> Found:
        self.asked.append(list(keywords))
        self.hints.append(hint)
        return Found(() if self.note else ("customers.country = 'Germany'",), self.note)

    async def columns(self, database: str, keywords: Sequence[str]) -> Found:
        return Found(("customers.country",))


async def run(
    registry: DatabaseRegistry,
    model: Model,
    retrieval: FakeRetrieval | None = None,
    hold: Hold = at_once,
    profile: Profile = COMPACT_PROFILE,
    evidence: str = "",
    request: QuestionRequest | None = None,
    **options: Any,
) -> tuple[dict[str, Any], Journal]:
    text2sql = Text2Sql(Resources(registry, profile, Text2SqlOptions(**options), retrieval))
    steps = ScriptedSteps(model, registry, hold=hold)
    asked = request or a_request(evidence=evidence)
    return await text2sql.program(asked, "shop")(steps), steps.journal


def scripted(**answers: Any) -> Model:
    return by_stage(**ANSWERS | answers)
