"""An empty result may be right: candidates agree on it, or only a question that asks for less has rows."""

from __future__ import annotations

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.dropped_conditions import dropped
from plugins.text2sql.prompts.layout import COMPACT, Topic
from tests.plugins.text2sql.scripted_shop import EMPTY, RIGHT, WRONG, run, scripted
from tests.plugins.text2sql.scripted_steps import Call, ScriptedSteps

NOBODY = "SELECT id FROM customers WHERE country = 'Germany' AND city = 'Nowhere'"
ANYBODY = "SELECT id FROM customers WHERE country = 'Germany'"


@pytest.mark.parametrize(
    ("before", "after", "missing"),
    [
        (NOBODY, ANYBODY, ["city = 'Nowhere'"]),
        (NOBODY, "SELECT id FROM customers", ["country = 'Germany'", "city = 'Nowhere'"]),
        # Names in another case, with a table in front, and in another order are the same.
        (NOBODY, "SELECT c.id FROM customers AS c WHERE c.Country = 'Germany'", ["city = 'Nowhere'"]),
        # Another spelling, another column or one more condition is no less.
        (EMPTY, RIGHT, []),
        (NOBODY, "SELECT id FROM customers WHERE country = 'Germany' AND city LIKE 'N%'", []),
        (ANYBODY, NOBODY, []),
        (ANYBODY, ANYBODY, []),
        # What joins is not asked for.
        (
            "SELECT o.id FROM orders AS o, customers AS c WHERE o.customer_id = c.id AND c.name = 'x'",
            "SELECT id FROM customers WHERE name = 'x'",
            [],
        ),
        (
            "SELECT id FROM a GROUP BY id HAVING count(*) > 5",
            "SELECT id FROM a GROUP BY id",
            ["COUNT(*) > 5"],
        ),
        # Whatever a condition is, and wherever it stands.
        ("SELECT id FROM a WHERE b IS NULL AND c = 1", "SELECT id FROM a WHERE c = 1", ["b IS NULL"]),
        ("SELECT id FROM a WHERE d >= CURRENT_DATE", "SELECT id FROM a", ["d >= CURRENT_DATE"]),
        ("SELECT id FROM a WHERE NOT b AND c = TRUE", "SELECT id FROM a WHERE NOT b", ["c = TRUE"]),
        ("SELECT id FROM a WHERE shipped > due", "SELECT id FROM a", ["shipped > due"]),
        (
            "SELECT id FROM a WHERE d BETWEEN '2030-01-01' AND '2030-12-31' AND b LIKE 'x%' AND c IN (1, 2)",
            "SELECT id FROM a WHERE c IN (1, 2)",
            ["d BETWEEN '2030-01-01' AND '2030-12-31'", "b LIKE 'x%'"],
        ),
        (
            "SELECT o.id FROM orders AS o JOIN customers AS c ON o.customer_id = c.id AND c.city = 'Nowhere'",
            "SELECT o.id FROM orders AS o JOIN customers AS c ON o.customer_id = c.id",
            ["c.city = 'Nowhere'"],
        ),
        (
            "SELECT id FROM a WHERE b IN (SELECT id FROM c WHERE d = 1 AND e = 2)",
            "SELECT id FROM a WHERE b IN (SELECT id FROM c WHERE e = 2)",
            ["d = 1"],
        ),
        (
            "WITH x AS (SELECT id FROM a WHERE b = 1) SELECT id FROM x WHERE c = 2",
            "SELECT id FROM a WHERE c = 2",
            ["b = 1"],
        ),
        (
            "SELECT id FROM a WHERE b NOT IN (SELECT b FROM c)",
            "SELECT id FROM a",
            ["NOT b IN (SELECT b FROM c)"],
        ),
        # The place of a condition doesn't matter, but an outer join's removes no row.
        (
            "SELECT a.id FROM a JOIN c ON a.b = c.id AND c.d = 1",
            "SELECT a.id FROM a JOIN c ON a.b = c.id WHERE c.d = 1",
            [],
        ),
        (
            "SELECT a.id FROM a JOIN c ON a.b = c.id WHERE c.d = 1",
            "SELECT a.id FROM a LEFT JOIN c ON a.b = c.id AND c.d = 1",
            ["c.d = 1"],
        ),
        # Written without the subquery.
        (
            "SELECT id FROM a WHERE b IN (SELECT id FROM c WHERE d = 1)",
            "SELECT a.id FROM a JOIN c ON a.b = c.id WHERE c.d = 1",
            [],
        ),
        (
            "SELECT id FROM a WHERE b = 'x' AND p = (SELECT max(p) FROM a)",
            "SELECT id FROM a WHERE b = 'x' ORDER BY p DESC LIMIT 1",
            [],
        ),
        ("SELECT id FROM a WHERE 1 = 1 AND b < c.b", "SELECT id FROM a", []),
        ("no SQL at all", ANYBODY, []),
    ],
)
def test_what_a_revision_dropped(before: str, after: str, missing: list[str]) -> None:
    """A condition that is gone without another in its place."""
    assert dropped(before, after, "sqlite") == missing


async def test_rows_for_less_than_was_asked_are_no_answer(registry: DatabaseRegistry) -> None:
    """The empty result stands, and the answer says why."""
    answer, journal = await run(registry, scripted(generate_candidate=NOBODY, revise=ANYBODY), candidates=1)
    assert (answer["status"], answer["sql"], answer["rows"]) == ("empty", NOBODY, [])
    assert answer["reason"] == (
        "1 of 1 candidates ran and found no row; rows came only without city = 'Nowhere'"
    )
    assert journal.stages().count("revise") == 1


async def test_conditions_are_not_dropped_one_after_the_other(registry: DatabaseRegistry) -> None:
    """A revision that drops one and is empty, too, doesn't become what the next is compared with."""
    strict = f"{NOBODY} AND id = 0"

    def model(call: Call, number: int) -> str:
        return [NOBODY, ANYBODY][number] if call.stage == "revise" else script(call, number)

    script = scripted(generate_candidate=strict)
    answer, journal = await run(registry, model, candidates=1)
    assert (answer["status"], answer["sql"]) == ("empty", strict)
    assert answer["reason"].endswith("rows came only without city = 'Nowhere' and id = 0")
    assert journal.statements == [strict, NOBODY, ANYBODY]


async def test_a_respelled_value_is_an_answer(registry: DatabaseRegistry) -> None:
    """As before: the revision found what was meant."""
    answer, _ = await run(registry, scripted(generate_candidate=EMPTY, revise=RIGHT), candidates=1)
    assert (answer["status"], answer["sql"], answer["reason"]) == ("ok", RIGHT, None)


async def test_most_candidates_agree_on_no_rows(registry: DatabaseRegistry) -> None:
    """Two empty ones outvote one with rows; one alone doesn't outvote two."""

    def model(call: Call, number: int) -> str:
        if call.stage == "generate_candidate":
            return written[call.branches[0]]
        return NOBODY if call.stage == "revise" else script(call, number)

    script = scripted()
    written = [NOBODY, EMPTY, WRONG]
    answer, _ = await run(registry, model)
    assert (answer["status"], answer["rows"]) == ("empty", [])
    assert answer["reason"] == "2 of 3 candidates ran and found no row"
    assert [candidate["agreed"] for candidate in answer["candidates"]] == [2, 2, 1]
    written = [NOBODY, WRONG, WRONG]
    answer, _ = await run(registry, model)
    assert (answer["status"], answer["sql"]) == ("ok", WRONG)


async def test_a_statement_is_not_tried_twice(registry: DatabaseRegistry) -> None:
    """A revision that repeats one, whatever its spaces, is not run; the next one sees what was tried."""
    revisions = [f"  {EMPTY} ;", NOBODY, EMPTY]

    def model(call: Call, number: int) -> str:
        return revisions[number] if call.stage == "revise" else script(call, number)

    script = scripted(generate_candidate=EMPTY)
    answer, journal = await run(registry, model, candidates=1)
    assert journal.statements == [EMPTY, NOBODY]
    assert answer["candidates"][0]["revisions"] == 3
    contexts = [call.context() for call in journal.of("revise")]
    assert "Tried before" not in contexts[0] + contexts[1]
    assert f"Tried before:\n{EMPTY}\nProblem: the statement ran and returned no rows\n" in contexts[2]


def test_a_statement_that_goes_on_and_on_is_shown_in_part() -> None:
    """It would fill the model's context in every later round."""
    endless = "SELECT " + ", ".join(map(str, range(5_000)))
    text = "".join(
        segment.text for segment in COMPACT.revision(Topic("", "q"), endless, "cut off", [(endless, "")])
    )
    assert len(text) < 5_500
    assert endless[:2_000] in text


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("1. " * 170 + "1", "1. 1. …"),
        ("SELECT a" + ", b" * 60 + ",", "SELECT a, b, b…"),
        (
            "SELECT 'x\n" + "and the table is empty.\n" * 8,
            "SELECT 'x" + "\nand the table is empty." * 2 + "…",
        ),
        # Whatever ends like this may be meant.
        (kept := "SELECT " + "abs(" * 30 + "1" + ")" * 30, kept),
        (kept := "SELECT a FROM t WHERE b IN (" + "1, " * 40 + "2)", kept),
        (kept := "SELECT 'x\n" + "and the table is empty.\n" * 7, kept),
    ],
)
def test_what_is_repeated_to_the_end_is_shown_twice(statement: str, shown: str) -> None:
    """A model that sees all of it goes on with it."""
    (*_, context) = COMPACT.revision(Topic("", "q"), statement, "cut off")
    assert f"Statement:\n{shown}\nProblem:" in context.text


async def test_no_round_begins_that_can_not_finish(
    registry: DatabaseRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round takes 25 s; the 60 s after linking are enough for one and a revision."""
    # Asked for by linking, for all candidates, and before and after each round.
    left = iter([80.0, 60.0, 60.0, 35.0, 10.0])
    monkeypatch.setattr(ScriptedSteps, "remaining_seconds", lambda _: next(left))
    answer, journal = await run(registry, scripted(generate_candidate=EMPTY, revise=NOBODY), candidates=1)
    assert journal.stages().count("revise") == 1
    assert answer["status"] == "empty"
