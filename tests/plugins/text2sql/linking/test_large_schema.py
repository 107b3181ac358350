"""300 tables of 21 columns in a context of 8,192 tokens, through the whole workflow."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from plugins.text2sql import stages
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.linking.room import TokenCounter
from sched.errors import InvalidRequestError
from tests.plugins.text2sql.linking.asker import ASKED, RIGHT, Asker, asked
from tests.plugins.text2sql.linking.warehouse import COLUMNS, TABLES, shown

BROKEN = "SELECT count(*) FROM t_299, no_such_table"


async def test_the_asked_tables_are_found_part_by_part(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """Each table is in one part; later prompts show the linked ones, those between, and a named value's."""
    assert all(len(table.columns) == COLUMNS for table in warehouse.schema("warehouse").tables)
    model = Asker(ASKED)
    answer, journal = await asked(warehouse, count, model, early_ending=False)
    assert sorted(name for part in model.parts for name in part) == [f"t_{n:03}" for n in range(TABLES)]
    assert answer["status"] == "ok"
    assert answer["sql"] == RIGHT
    assert sorted(answer["tables"]) == ASKED
    between = ["t_120", "t_121", "t_122", "t_123"]
    for call in journal.of(stages.GENERATE_CANDIDATE):
        # By foreign keys, then by name; the value's table is too far to be joined.
        assert shown(call.prompt) == ["t_007", *between]
        assert "Relevant tables: t_120, t_123\n" in call.prompt
    assert {tuple(shown(call.prompt)) for call in journal.of(stages.EVALUATE)} == {tuple(between)}
    assert answer["schema"]["tables"] == 5
    assert answer["schema"]["of"] == TABLES
    assert answer["schema"]["linking_calls"] == len(model.parts) > 1
    assert set(answer["schema"]["shapes"].values()) == {"linked"}


async def test_a_single_table_is_asked_about_once(tmp_path: Path, count: TokenCounter) -> None:
    """It exceeds the context, but there is nothing to choose."""
    path = tmp_path / "wide.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE t_0 ({', '.join(f'measure_{n}_0 TEXT' for n in range(1500))})")
    with closing(DatabaseRegistry()) as registry:
        registry.register("warehouse", SqliteDatabase, str(path))
        statement = "SELECT measure_1_0 FROM t_0"
        answer, journal = await asked(registry, count, Asker(["t_0"], (statement,) * 3), max_revisions=0)
    assert (answer["status"], answer["sql"], answer["tables"]) == ("empty", statement, ["t_0"])
    assert len(journal.of(stages.SCHEMA_LINKING)) == answer["schema"]["linking_calls"] == 1


async def test_parts_are_the_same_for_all_questions(warehouse: DatabaseRegistry, count: TokenCounter) -> None:
    """So each part's beginning can be cached; a long question has other ones, which fit as well."""
    first, second, long = Asker(ASKED), Asker(["t_299"]), Asker(ASKED)
    await asked(warehouse, count, first)
    _, journal = await asked(warehouse, count, second, "And how many in the last one, if not in another?")
    assert first.parts == second.parts
    await asked(warehouse, count, long, "How many? " + "Think of every table. " * 200)
    assert len(long.parts) > len(first.parts)
    beginnings = {call.segments[:-3] for call in journal.of(stages.SCHEMA_LINKING)}
    assert len(beginnings) == len(second.parts)


async def test_few_parts_are_linked_of_what_the_question_speaks_of(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """In the schema's order; the answer says how many tables were not shown.  A later round adds calls."""
    question = "How many rows of t_123 and of t_120 join at Oak's End?"
    model = Asker(ASKED)
    answer, _ = await asked(warehouse, count, model, question, linking_parts=2)
    tables = [name for part in model.parts for name in part]
    assert answer["schema"]["linking_calls"] == len(model.parts) == 2
    assert tables == sorted(tables)
    assert {"t_007", *ASKED} <= set(tables)
    assert (answer["sql"], sorted(answer["tables"])) == (RIGHT, ASKED)
    (note,) = answer["schema"]["notes"]
    assert note.startswith(f"{TABLES - len(tables)} tables were not shown to schema linking")
    assert note.endswith("(--linking-parts 2)")


@pytest.mark.parametrize("question", ["How much is it?", "What is the largest measure?"])
@pytest.mark.parametrize("most", [3, 5])
async def test_all_tables_are_linked_where_a_question_tells_none_apart(
    warehouse: DatabaseRegistry, count: TokenCounter, question: str, most: int
) -> None:
    """With fewer columns each: as many parts as the bound allows, not the thirty of full tables."""
    model = Asker(ASKED)
    answer, journal = await asked(warehouse, count, model, question, retrieval=None, linking_parts=most)
    assert len(model.parts) == answer["schema"]["linking_calls"] == most
    assert all("next_id" in call.prompt for call in journal.of(stages.SCHEMA_LINKING))
    assert sorted(name for part in model.parts for name in part) == [f"t_{n:03}" for n in range(TABLES)]
    assert (sorted(answer["tables"]), answer["schema"]["notes"]) == (ASKED, [])


async def test_of_too_many_linked_tables_the_model_chooses_again(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """It named all it may of every part; what it names of these fits, and nothing is left out."""
    model = Asker(None)
    answer, journal = await asked(warehouse, count, model, "What is measure 250 of t_250?")
    first = next(n for n in range(len(model.parts)) if "t_299" in model.parts[n]) + 1
    assert answer["schema"]["linking_calls"] == len(model.parts) > first
    again = {name for part in model.parts[first:] for name in part}
    assert again <= {name for part in model.parts[:first] for name in part[:12]}
    tables = shown(journal.of(stages.GENERATE_CANDIDATE)[0].prompt)
    assert set(answer["tables"]) <= set(tables)
    assert answer["schema"]["notes"] == []


async def test_no_answer_at_all_shows_what_the_question_speaks_of(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """The value's table and the one that the question names; the note counts the others."""
    answer, journal = await asked(warehouse, count, Asker([]), "What does t_250 say of Oak's End?")
    tables = shown(journal.of(stages.GENERATE_CANDIDATE)[0].prompt)
    assert {"t_007", "t_250"} <= set(tables)
    assert len(journal.unreadable) == 0
    (note,) = answer["schema"]["notes"]
    assert note.endswith(" more")


async def test_a_statement_shows_the_tables_it_names_to_its_revision(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """Linking had left them out, or they couldn't be repaired."""
    model = Asker(ASKED, (BROKEN, RIGHT, RIGHT))
    _, journal = await asked(warehouse, count, model, early_ending=False)
    assert "t_299" in shown(journal.of(stages.REVISE)[0].prompt)
    assert "t_299" not in shown(journal.of(stages.GENERATE_CANDIDATE)[0].prompt)


async def test_a_question_that_fills_the_context_is_refused(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """At once and by name, instead of hundreds of parts with a table each."""
    with pytest.raises(InvalidRequestError, match="the question is too long") as caught:
        await asked(warehouse, count, Asker(ASKED), "日本 " * 3300)
    assert caught.value.field == "question"


async def test_candidates_that_fill_the_context_are_compared_in_part(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """Their statements are cut, so that tables and a test have room."""
    long = [f"SELECT {number} AS n, '{'日本' * 900}' FROM t_120" for number in range(3)]
    answer, journal = await asked(warehouse, count, Asker(ASKED, tuple(long)))
    (call,) = journal.of(stages.GENERATE_UNIT_TEST)
    assert call.context().count("…") >= 3
    assert shown(call.prompt) == ["t_120"]
    assert json.dumps(answer["unit_tests"])
