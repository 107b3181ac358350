"""Stages told by instructions and tools."""

from __future__ import annotations

from launch.api.agents.stage_names import MOST_STAGES, OTHER, StageNames, first_line

DRAFT = "You write SQL. Today is 2026-11-30."


def test_a_stage_has_a_name_from_the_second_time_on() -> None:
    """Dates, ids and white space don't change it; other instructions and tools do."""
    names = StageNames()
    assert names.name(DRAFT) == OTHER
    draft = names.name("You write   SQL.\nToday is 2027-01-01.")
    assert draft is not None
    assert draft.startswith("auto-")
    assert names.name(DRAFT) == draft
    for _ in range(2):
        revise = names.name("You mend SQL. Today is 2026-11-30.")
        with_tools = names.name(DRAFT, ["run", "look"])
    assert len({draft, revise, with_tools, OTHER}) == 4
    assert names.name(DRAFT, ["look", "run"]) == with_tools


def test_tools_alone_are_a_stage_and_nothing_is_none() -> None:
    """An agent may have no system message."""
    names = StageNames()
    names.name("", ["run"])
    assert str(names.name("", ["run"])).startswith("auto-")
    assert names.name("  ") is None


def test_instructions_that_come_once_are_no_stage() -> None:
    """Such as those which hold the question: any number of them, and the names in use stay."""
    names = StageNames()
    for _ in range(2):
        draft = names.name(DRAFT)
    for number in range(10_000):
        assert names.name(f"{'x' * (number % 500)} question {'y' * (number // 500)}") == OTHER
    assert names.name(DRAFT) == draft


def test_names_are_bounded() -> None:
    """The one in use longest ago loses its own, and has it again when it comes back."""
    names = StageNames()
    given = []
    for number in range(3 * MOST_STAGES):
        for _ in range(2):
            name = names.name("x" * number + "y")
        given.append(name)
    assert len(names) == MOST_STAGES
    assert len(set(given)) == 3 * MOST_STAGES
    assert names.name("y") == given[0]
    assert len(names) == MOST_STAGES


def test_the_first_line_of_a_text() -> None:
    """Its beginning, if it is long."""
    assert first_line("\n\n  You write SQL.\nHow many?") == "You write SQL."
    assert first_line("x" * 1000) == "x" * 256
