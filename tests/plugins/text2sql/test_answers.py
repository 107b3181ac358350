"""Short answers are read as far as they can be understood, and bound ones always can."""

from __future__ import annotations

import random
from typing import Any

import pytest

from plugins.text2sql import answers
from plugins.text2sql.answers import Form
from plugins.text2sql.databases.schema import Column, DatabaseSchema, Kind, Table
from plugins.text2sql.demo.grammar.tree import max_length, sample, to_ebnf
from plugins.text2sql.prompts.compact import TESTS
from sched.workflow import Generation
from tests.plugins.text2sql.demo.grammar.grammar_machine import accepts, compiled

SCHEMA = DatabaseSchema(
    tuple(Table(name, (Column("id", "", True, True, Kind.NUMBER, (1,)),), (), 1) for name in ("a", "b c"))
)
FORMS: dict[str, Form[Any]] = {
    "decision": answers.decision_form(["retrieve_values", "done"]),
    "keywords": answers.keywords_form('Who bought "Größe" in New York?'),
    "tables": answers.tables_form(SCHEMA),
    "unit tests": answers.unit_tests_form(3, TESTS),
    "verdicts": answers.verdicts_form(3),
}


def generation(text: str, cut_off: bool = False) -> Generation:
    return Generation(text, "length" if cut_off else "stop", 1, 0, 1)


@pytest.mark.parametrize("name", FORMS)
def test_what_the_grammar_allows_is_understood(name: str) -> None:
    """Bound answers are never empty-handed, and mean the same to xgrammar as to us."""
    form = FORMS[name]
    grammar = compiled(to_ebnf(form.tree))
    rng = random.Random(2)
    understood = []
    for _ in range(50):
        text = sample(form.tree, rng)
        assert accepts(grammar, text), text
        assert len(text.encode()) <= max_length(form.tree)
        understood.append(form.of(generation(text)))
    assert all(understood) or name == "verdicts"
    assert len({repr(answer) for answer in understood}) > 1


@pytest.mark.parametrize(
    ("name", "text", "meaning"),
    [
        ("decision", "done", "done"),
        ("decision", "I use `retrieve_values`, then done.", "retrieve_values"),
        ("decision", "undone", None),
        ("decision", "retrieve_val", None),
        ("keywords", 'Sure: ["New York", "Gr\\u00f6\\u00dfe", "New York"] and more', ["New York", "Größe"]),
        ("keywords", "[1, 2]", []),
        ("keywords", '["a", " ", "bad \\x escape"]', ["a"]),
        ("tables", '["b c", "nothing", "a"]', ["b c", "a"]),
        ("tables", "a, b c", []),
        ("unit tests", "Tests:\n1. One row.\n* Two  \n- One row.", ["One row.", "Two"]),
        ("unit tests", "- 1\n- 2\n- 3\n- 4", ["1", "2", "3"]),
        ("verdicts", "Candidate 1: passed\nCandidate #2: **Failed**\ncandidate 3 passed", {0, 2}),
        ("verdicts", "Candidate 0: passed, Candidate 4: passed, Candidate 12: passed", set()),
        ("verdicts", "Candidate 1: passed. No: Candidate 1: failed", set()),
        ("verdicts", "all passed", set()),
    ],
)
def test_free_text_is_read_as_far_as_it_goes(name: str, text: str, meaning: object) -> None:
    """A model without a grammar may chat, repeat and invent."""
    assert FORMS[name].of(generation(text)) == meaning


@pytest.mark.parametrize(
    ("name", "text", "meaning"),
    [
        ("decision", "retrieve_values bec", "retrieve_values"),
        ("keywords", '["Oslo", "Berg', ["Oslo"]),
        ("keywords", '["Oslo\\', []),
        ("tables", '["a", "b ', ["a"]),
        ("unit tests", "- One row.\n- Two ro", ["One row."]),
        ("unit tests", "- One ro", []),
        ("verdicts", "Candidate 1: passed\nCandidate 2: pass", {0}),
    ],
)
def test_an_answer_cut_off_counts_up_to_the_cut(name: str, text: str, meaning: object) -> None:
    """What was complete before the token limit is used; the rest is not guessed."""
    assert FORMS[name].of(generation(text, cut_off=True)) == meaning


def test_bound_tests_are_different_ones() -> None:
    """A model that repeats itself would otherwise have one test evaluated several times."""
    rng = random.Random(4)
    for at_most in (1, 2, 3, 9):
        form = answers.unit_tests_form(at_most, TESTS)
        for _ in range(20):
            assert len(form.of(generation(sample(form.tree, rng)))) == min(at_most, 3)


def test_keywords_are_few() -> None:
    """A model that lists everything is cut short, so that the look-up stays short too."""
    text = "[" + ", ".join(f'"word{i}"' for i in range(100)) + "]"
    assert len(FORMS["keywords"].of(generation(text))) == answers.MAX_KEYWORDS
