"""What fits of linked tables, and which columns of a table that is too large for the context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.text2sql.databases.schema import render
from plugins.text2sql.linking.linked_schema import LinkedSchema, shares
from plugins.text2sql.linking.room import Room
from plugins.text2sql.linking.schema_linking import part_tokens
from plugins.text2sql.linking.schema_parts import parts
from plugins.text2sql.linking.wanted import Wanted
from sched.workflow import Segment
from tests.plugins.text2sql.linking.warehouse import schema, shown, table

WIDE = table("survey", ("id", *(f"answer_{n}" for n in range(1500)), "shoeSize"), "person")


async def characters(segments: Sequence[Segment]) -> int:
    return sum(len(segment.text) for segment in segments)


def linked_schema(limited: bool = True) -> LinkedSchema:
    described = replace(WIDE.columns[700], description="how often tents were rented")
    columns = (*WIDE.columns[:700], described, *WIDE.columns[701:])
    room = Room()
    if limited:
        room.limit(100_000, characters)
    return LinkedSchema(schema(replace(WIDE, columns=columns), table("person"), table("place")), room)


def wanted(question: str, **found: Sequence[str]) -> Wanted:
    return Wanted.of(linked_schema().labels, question, **found)


async def test_a_table_of_1500_columns_shows_keys_and_what_the_question_speaks_of() -> None:
    """In the table's order, then others until it is full; a comment counts the rest."""
    asked = wanted("Which shoe sizes rent a tent?", columns=["survey.answer_1400"])
    (survey,) = (await linked_schema().fitted(["survey"], asked, 600)).tables
    lines = survey.text.splitlines()
    names = [line.split()[0] for line in lines[1:-2]]
    assert {"id", "person_id", '"shoeSize"', "answer_699", "answer_1400"} <= set(names)
    assert [name for name in names if name.startswith("answer")][:2] == ["answer_0", "answer_1"]
    assert names[-2:] == ['"shoeSize"', "person_id"]
    assert lines[-2] == f"  -- {1503 - len(names)} more columns, not shown"
    assert survey.left_out == 1503 - len(names)
    assert 500 < len(survey.text) < survey.tokens + 1 <= 601


async def test_all_is_shown_while_nobody_knows_the_context() -> None:
    """The linked tables, whole."""
    linked = linked_schema(limited=False)
    fitted = await linked.fitted(["place", "survey"], wanted("?"), float("inf"))
    assert fitted.names == ["survey", "place"]
    assert [t.text for t in fitted.tables] == [render(linked.schema, [n]) for n in ("survey", "place")]
    assert await linked.whole_fits(float("inf"))


async def test_other_tables_keep_their_place_beside_a_wide_one() -> None:
    """The wide one gives way; of what doesn't fit even so, what the question speaks of stays."""
    linked = linked_schema()
    fitted = await linked.fitted(["survey", "person", "place"], wanted("?"), 800)
    assert set(fitted.names) == {"survey", "person", "place"}
    assert [t.left_out > 0 for t in fitted.tables] == [name == "survey" for name in fitted.names]
    assert sum(t.tokens for t in fitted.tables) <= 800
    fitted = await linked.fitted(["survey", "person", "place"], wanted("Which place?"), 60)
    assert fitted.names == ["place"]
    assert fitted.left_out == ("survey", "person")


async def test_a_part_of_its_own_for_a_wide_table() -> None:
    """The parts are in the schema's order, and as long as they may be."""
    linked = linked_schema()
    made = await parts(linked.rendered, ["place", "person", "survey"], 300, wanted("?"))
    assert [[t.name for t in part] for part in made] == [["person", "place"], ["survey"]]
    assert all(sum(t.tokens for t in part) <= 300 for part in made)
    assert shown("\n".join(t.text for t in made[1])) == ["survey"]


@pytest.mark.parametrize(
    ("question", "keywords", "values", "found"),
    [
        ("Who lives in Oslo?", [], ["person.city = 'Oslo'"], ["person"]),
        ("who lives in oslo", [], ["person.city = 'Oslo'", "place.name = 'Oslo'"], ["person", "place"]),
        ("Who lives in Osl?", [], ["person.city = 'Oslo'"], []),
        ("Who?", ["Oslo"], ["person.city = 'Oslo'"], ["person"]),
        ("Who eats at O'Hara's?", [], ["place.name = 'O''Hara''s'"], ["place"]),
        ("Who lives in Oslo?", [], ["person.city LIKE 'Os%'", "nobody.city = 'Oslo'"], []),
    ],
)
def test_tables_of_values_that_the_question_names_are_added(
    question: str, keywords: list[str], values: list[str], found: list[str]
) -> None:
    """Not of those that merely resemble its words, nor where a linked table holds the value."""
    labels = {"person.city": ("person", "city"), "place.name": ("place", "name")}
    asked = Wanted.of(labels, question, keywords, values)
    assert asked.named(["survey"]) == found
    assert asked.named([*found[:1], "survey"]) == []


@given(
    tokens=st.dictionaries(st.text(max_size=3), st.integers(1, 5000), min_size=1, max_size=8),
    room=st.integers(1, 6000),
)
def test_shares_fill_the_room_and_no_more(tokens: dict[str, int], room: int) -> None:
    """Small tables get all they need; none gets more."""
    budgets = shares(tokens, room)
    assert sum(budgets.values()) <= room
    assert all(budgets[name] <= needed for name, needed in tokens.items())
    if sum(tokens.values()) <= room:
        assert budgets == tokens
    else:
        assert sum(budgets.values()) > room - len(tokens)


@given(most=st.floats(200, 1e5), question=st.floats(0, 1e5))
def test_parts_leave_room_for_the_question(most: float, question: float) -> None:
    """In steps, so that questions of ordinary length have the same parts."""
    room = most - question
    if room >= 128:
        assert part_tokens(most, room) <= room
