"""Which tables a question speaks of, by its words alone; and which beginning of them is linked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.demo.training.exam import read_questions
from plugins.text2sql.linking.linked_schema import LinkedSchema
from plugins.text2sql.linking.name_likeness import NameWords
from plugins.text2sql.linking.relevance import ranked
from plugins.text2sql.linking.room import Room
from plugins.text2sql.linking.schema_parts import beginning, parts
from plugins.text2sql.linking.shown_schema import tables_in
from plugins.text2sql.linking.wanted import Wanted
from sched.workflow import Segment
from tests.plugins.text2sql.linking import enterprise
from tests.plugins.text2sql.linking.warehouse import schema, table

_DEMO = Path(__file__).parents[1] / "demo"
PART = 4_050
"""Characters of a part, which holds about nine of the 300 tables."""


async def characters(segments: Sequence[Segment]) -> int:
    return sum(len(segment.text) for segment in segments)


def linked(database: DatabaseSchema) -> LinkedSchema:
    room = Room()
    room.limit(10_000, characters)
    return LinkedSchema(database, room)


def scores(linking: LinkedSchema, question: str, *values: str) -> dict[str, float]:
    asked = Wanted.of(linking.labels, question, values=values)
    return linking.relevance.scores(linking.relevance.spoken_of(asked))


def first(linking: LinkedSchema, question: str, count: int, *values: str) -> list[str]:
    found = scores(linking, question, *values)
    return ranked([name for name in found if found[name]], found)[:count]


@pytest.mark.parametrize(
    ("said", "name_word"),
    [
        *(("customer", word) for word in ("customer", "custmer", "cust", "customers", "cstmr")),
        *(("category", word) for word in ("categories", "cat", "ctgry", "kategory")),
        *(("quantity", word) for word in ("qty", "quantities", "quant")),
        *(("department", word) for word in ("dept", "dep")),
        ("warehouse", "whse"),
        ("ord", "orders"),
        ("2024", "2024"),
        ("id", "id"),
    ],
)
def test_words_are_like_names_spelt_otherwise_or_shortened(said: str, name_word: str) -> None:
    """By themselves, by most of their trigrams, by their beginning, or by the letters that are left."""
    assert name_word in NameWords([name_word, "other"]).like(said)


@pytest.mark.parametrize(
    ("said", "name_word"),
    [
        ("department", "date"),
        ("status", "station"),
        ("identity", "id"),
        ("2024", "20245"),
        ("price", "nice"),
        ("customer", "cost"),
    ],
)
def test_words_are_not_like_other_ones(said: str, name_word: str) -> None:
    """However many letters both have."""
    assert NameWords([name_word]).like(said) == {}


@given(st.text("abcdeßé ", min_size=1, max_size=8), st.lists(st.text("abcdeé", max_size=6), max_size=6))
def test_likeness_is_a_share_and_one_for_the_word_itself(said: str, words: list[str]) -> None:
    """Whatever the letters."""
    found = NameWords(words).like(said)
    assert found.keys() <= set(words)
    assert all(0 < likeness <= 1 for likeness in found.values())
    assert found.get(said, 0.0) == (1.0 if said in words else 0.0)


def test_rare_words_count_more_than_common_ones_and_names_more_than_columns() -> None:
    """What all tables have says nothing."""
    tables = [table(f"log_{n}", ("id", "status", "port")) for n in range(8)]
    linking = linked(schema(*tables, table("ports", ("id", "status")), table("ship", ("id", "status"))))
    assert first(linking, "the status of each ship in a port", 2) == ["ports", "ship"]
    assert first(linking, "the status", 9) == []


def test_descriptions_and_named_values_speak_for_a_table() -> None:
    """A description that the user gave, and a value that the question names exactly."""
    described = replace(table("t1", ("id", "x")), description="what tenants pay each month")
    column = replace(table("t2").columns[0], description="the floor of a flat")
    commented = replace(table("t2"), columns=(column,))
    linking = linked(schema(described, commented, table("t3", ("id", "city")), table("t4")))
    assert first(linking, "which tenant pays most?", 9) == ["t1"]
    assert first(linking, "how many floors?", 9) == ["t2"]
    assert first(linking, "how many live in Oslo?", 9, "t3.city = 'Oslo'") == ["t3"]
    assert first(linking, "how many live there?", 9, "t3.city = 'Oslo'") == ["t3"], "it was retrieved"


def test_neighbours_of_what_is_spoken_of_come_next() -> None:
    """By foreign keys in either direction; of a table that many refer to, each has a small share."""
    alone = [table(f"a{n}") for n in range(9)]
    linking = linked(
        schema(
            *alone,
            table("visit", ("id",), "doctor", "patient"),
            table("doctor"),
            table("patient"),
            table("zz"),
        )
    )
    assert first(linking, "doctors", 9) == ["doctor", "visit", "patient"]
    assert first(linking, "a patient of each doctor", 9) == ["visit", "doctor", "patient"]
    hub = linked(schema(table("firm"), *(table(f"b{n}", ("id",), "firm") for n in range(9)), table("zoo")))
    found = scores(hub, "the firm with a zoo")
    assert found["firm"] >= found["zoo"] > 10 * found["b0"] > 0


@pytest.mark.parametrize("most_parts", [2, 4])
async def test_of_300_tables_those_asked_for_are_within_four_parts(most_parts: int) -> None:
    """In plurals, capitals and abbreviations.  All tables are more than 30 parts."""
    linking = linked(enterprise.build())
    everything = [table.name for table in linking.schema.tables]
    assert len(everything) == 300
    assert len(await parts(linking.rendered, everything, PART, Wanted())) > 30
    asked = enterprise.questions(200)
    missed = []
    for each in asked:
        found, width = await beginning(linking.rendered, scores(linking, each.question), PART, most_parts)
        assert len(await parts(linking.rendered, found, PART, Wanted(), width)) <= most_parts
        missed += sorted(set(each.needs) - set(found))
    assert len(missed) <= {2: 10, 4: 0}[most_parts]


@pytest.mark.parametrize("question", ["Wie geht's?", "", "the status and name of each", "how many ids"])
async def test_what_says_nothing_of_any_table_leaves_all(question: str) -> None:
    """So does what all tables have."""
    linking = linked(enterprise.build())
    found, width = await beginning(linking.rendered, scores(linking, question), PART, 4)
    assert len(found) == 300
    # In full they take over thirty; names and keys alone take eight.
    assert len(await parts(linking.rendered, found, PART, Wanted(), width)) == 8


async def test_a_beginning_is_bounded_by_parts() -> None:
    """In the order of what speaks for tables; 0 is no bound, and neither is enough room."""
    linking = linked(
        schema(*(table(f"t{n}") for n in range(9)), table("wide", [f"c{n + 10}" for n in range(99)]))
    )
    size = (await linking.rendered.in_full(["t0"]))["t0"].tokens
    found = scores(linking, "t3 and t7 are wide")
    assert (await beginning(linking.rendered, found, 2 * size, 2)) == (["t3", "t7", "wide"], None)
    assert len((await beginning(linking.rendered, found, 2 * size, 0))[0]) == 10
    assert len((await beginning(linking.rendered, found, 2 * size, 6))[0]) == 10
    assert await beginning(linking.rendered, scores(linking, "t3?"), size, 1) == (["t3"], None)
    # Two tables are spoken of as much, and one part holds one: all are shown, each in part.
    names, width = await beginning(linking.rendered, scores(linking, "t3 or t7?"), size, 1)
    assert (len(names), width) == (10, size / 11)


@pytest.mark.parametrize(
    ("file", "share"), [("free_questions.jsonl", 0.95), ("free_questions_seen.jsonl", 0.95)]
)
def test_half_of_the_demo_shops_tables_hold_what_questions_need(
    registry: DatabaseRegistry, file: str, share: float
) -> None:
    """By words alone, without retrieval; tables that join those needed are shown anyway."""
    linking = linked(registry.schema("shop"))
    names = [table.name for table in linking.schema.tables]
    found = total = 0
    for asked in read_questions(_DEMO / file):
        needed = set(tables_in(linking.schema, asked.sql))
        half = ranked(names, scores(linking, asked.question))[: len(names) // 2]
        total += len(needed)
        found += len(needed & set(linking.needed(sorted(needed & set(half)) or names)))
    assert found / total >= share
