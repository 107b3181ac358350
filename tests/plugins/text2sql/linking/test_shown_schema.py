"""Each template decides once a question what its prompts show; options insist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from plugins.text2sql import stages
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import render
from plugins.text2sql.linking.shown_schema import tables_in
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.text2sql.program import Text2Sql
from plugins.text2sql.prompts.layout import COMPACT, Topic
from plugins.workflow_kind import Resources
from sched.workflow import PromptSeconds, Segment, SegmentKind
from tests.plugins.text2sql.linking.warehouse import schema, shown, table
from tests.plugins.text2sql.scripted_shop import EMPTY, OTHER, QUESTION, RIGHT, WRONG, a_request, scripted
from tests.plugins.text2sql.scripted_steps import Journal, ScriptedSteps

MODEL = scripted(generate_candidate=[EMPTY, WRONG, OTHER], revise=RIGHT)
LATER = (stages.GENERATE_CANDIDATE, stages.REVISE, stages.GENERATE_UNIT_TEST, stages.EVALUATE)


class Costs:
    """Says what prompts cost, and remembers that it was asked."""

    def __init__(self, whole: float, linked: float) -> None:
        self.asked: list[str] = []
        self._whole, self._linked = whole, linked

    def __call__(self, prompt: Sequence[Segment]) -> PromptSeconds:
        self.asked.append(prompt[0].text)
        tables = [segment for segment in prompt if segment.kind is SegmentKind.SCHEMA]
        return PromptSeconds(self._whole if len(tables) == 1 else self._linked, 0.0)


async def answered(
    registry: DatabaseRegistry, costs: Costs, workflow: Text2Sql | None = None, **options: Any
) -> tuple[dict[str, Any], Journal]:
    workflow = workflow or Text2Sql(Resources(registry, Compact(), Text2SqlOptions(**options)))
    steps = ScriptedSteps(MODEL, registry, cost=costs)
    return await workflow.program(a_request(candidates=3), "shop")(steps), steps.journal


async def test_with_whole_schemas_prompts_are_what_they_always_were(registry: DatabaseRegistry) -> None:
    """Segment by segment, and nobody asks what they cost."""
    costs = Costs(9.0, 1.0)
    answer, journal = await answered(registry, costs, schema_shape="whole")
    topic = Topic(render(registry.schema("shop")), QUESTION)
    linking, *_ = journal.of(stages.SCHEMA_LINKING)
    assert list(linking.segments) == COMPACT.linking(topic)
    plan, divide = COMPACT.styles
    for call, style in zip(journal.of(stages.GENERATE_CANDIDATE), (plan, divide, plan), strict=True):
        assert list(call.segments) == COMPACT.candidate(style, topic, ["customers"])
    revision, *_ = journal.of(stages.REVISE)
    complaint = "the statement ran and returned no rows"
    assert list(revision.segments) == COMPACT.revision(topic, EMPTY, complaint)
    assert costs.asked == []
    tables = len(registry.schema("shop").tables)
    assert (answer["schema"]["tables"], answer["schema"]["of"]) == (tables, tables)


async def test_each_template_decides_once_a_question(registry: DatabaseRegistry) -> None:
    """Two candidates of a style and all evaluations are shown the same; the answer says what."""
    costs = Costs(9.0, 1.0)
    answer, journal = await answered(registry, costs, early_ending=False)
    # Two prompts are compared for each; there is no last one yet.
    assert len(costs.asked) == 2 * len(set(costs.asked))
    for stage in LATER:
        assert {tuple(shown(call.prompt)) for call in journal.of(stage)} == {("customers",)}, stage
    assert answer["schema"] == {
        "shapes": {
            "generate_candidate plan": "linked",
            "generate_candidate divide": "linked",
            "revise": "linked",
            "generate_unit_test": "linked",
            "evaluate": "linked",
        },
        "tables": 1,
        "of": len(registry.schema("shop").tables),
        "linking_calls": 1,
        "notes": [],
    }


async def test_the_whole_schema_is_shown_where_it_costs_no_more(registry: DatabaseRegistry) -> None:
    """In every later stage."""
    everything = [table.name for table in registry.schema("shop").tables]
    answer, journal = await answered(registry, Costs(1.0, 1.0), early_ending=False)
    for stage in LATER:
        assert {tuple(shown(call.prompt)) for call in journal.of(stage)} == {tuple(everything)}, stage
    assert set(answer["schema"]["shapes"].values()) == {"whole"}


async def test_questions_to_a_database_pay_for_its_schema_together(registry: DatabaseRegistry) -> None:
    """At 1 each against 3 the third question is shown the whole, unless what was shown last is evicted."""

    class Kept(Costs):
        def __call__(self, prompt: Sequence[Segment]) -> PromptSeconds:
            seconds = super().__call__(prompt)
            beginning = prompt[-1].kind is SegmentKind.SCHEMA
            return PromptSeconds(0.0, 0.0) if beginning else seconds

    for costs, third in (Kept(3.0, 1.0), "whole"), (Costs(3.0, 1.0), "linked"):
        workflow = Text2Sql(Resources(registry, Compact(), Text2SqlOptions()))
        shapes = []
        for _ in range(3):
            answer, _ = await answered(registry, costs, workflow)
            shapes.append(answer["schema"]["shapes"]["generate_candidate plan"])
        assert shapes == ["linked", "linked", third]


@pytest.mark.parametrize("cost", [0.5, 9.0])
async def test_linked_insists_whatever_it_costs(registry: DatabaseRegistry, cost: float) -> None:
    """Nobody asks."""
    costs = Costs(cost, 1.0)
    answer, _ = await answered(registry, costs, schema_shape="linked")
    assert set(answer["schema"]["shapes"].values()) == {"linked"}
    assert costs.asked == []


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT * FROM ORDERS", ["orders"]),
        ("SELECT * FROM my_orders, orders2", []),
        (
            'SELECT "Order Details".id FROM "Order Details" JOIN `items` USING (id)',
            ["Order Details", "items"],
        ),
        ("SELECT * FROM [Order Details]", ["Order Details"]),
        ('SELECT * FROM sales."Big Things"', ["sales.Big Things"]),
        ('SELECT * FROM "sales"."Big Things"', ["sales.Big Things"]),
        ('SELECT * FROM "a""b"', ['a"b']),
    ],
)
def test_tables_are_found_in_a_statement(statement: str, tables: list[str]) -> None:
    """However they are quoted; parts of other names are none."""
    names = ("Order Details", "items", "orders", "sales.Big Things", 'a"b')
    assert sorted(tables_in(schema(*map(table, names)), statement)) == sorted(tables)
