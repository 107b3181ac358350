"""Short answers are read as far as they can be understood."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from plugins.text2sql import answers
from plugins.text2sql.answers import Form
from sched.workflow import Generation
from tests.plugins.text2sql.demo.grammar.grammar_machine import accepts, compiler, walk

FORMS: dict[str, Form[Any]] = {
    "decision": answers.Decision(("retrieve_values", "done")),
    "keywords": answers.Keywords('Who bought "Größe" in New York?'),
    "tables": answers.TableNames(("a", "b c")),
    "unit tests": answers.UnitTests(3),
    "verdicts": answers.Verdicts(3),
}


def generation(text: str, cut_off: bool = False) -> Generation:
    return Generation(text, "length" if cut_off else "stop", 1, 0, 1)


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
        ("keywords", '["\\ud800", "a"]', ["a"]),
        ("keywords", "['it's', 'b']", ["s", "b"]),
        ("keywords", '["a", "b, "c"]', ["a", "b, "]),
        ("keywords", "['New York', 'it\\'s', \"Weber's\"]", ["New York", "it's", "Weber's"]),
        ("keywords", 'Words [2]: ["a", "b"]', ["a", "b"]),
        ("decision", "Done", "done"),
        ("tables", "['B C', \"`A`\"]", ["b c", "a"]),
        ("tables", "a, b c", []),
        ("unit tests", "Tests:\n1. One row.\n* Two  \n- One row.", ["One row.", "Two"]),
        ("unit tests", "- 1\n- 2\n- 3\n- 4", ["1", "2", "3"]),
        ("verdicts", "Candidate 1: passed\nCandidate #2: **Failed**\ncandidate 3 passed", {0, 2}),
        ("verdicts", "Candidate 0: passed, Candidate 4: passed, Candidate 12: passed", set()),
        ("verdicts", "Candidate 1: passed. No: Candidate 1: failed", set()),
        ("verdicts", "Candidate 1 has passed, candidate 2 has not passed", {0}),
        ("verdicts", f"candidate {'9' * 5_000} passed, candidate 1 passed", {0}),
        ("verdicts", "all passed", set()),
        ("unit tests", "-\n- One row.", ["One row."]),
        ("unit tests", "- \n1)\tTwo", ["Two"]),
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


@pytest.mark.parametrize("name", FORMS)
def test_what_the_pattern_allows_is_understood(name: str) -> None:
    """A model that writes anything within the pattern ends by itself and says something."""
    form = FORMS[name]
    grammar = compiler([bytes([byte]) for byte in range(128)]).compile_regex(form.pattern())
    rng = random.Random(2)
    for _ in range(10):
        text = walk(grammar, rng)
        assert form.is_said(form.of(generation(text))), text


def test_patterns_name_what_can_be_chosen() -> None:
    """Names stand there as they are, however odd; others are not allowed."""
    tables = answers.TableNames(("a|b", 'c"d', "(e)*"))
    grammar = compiler().compile_regex(tables.pattern())
    for name in tables.tables:
        text = json.dumps([name])
        assert accepts(grammar, text)
        assert tables.read(text) == [name]
    assert not accepts(grammar, '["a"]')
    assert not accepts(grammar, "[]")


def test_keywords_are_few() -> None:
    """A model that lists everything is cut short, so that the look-up stays short too."""
    text = "[" + ", ".join(f'"word{i}"' for i in range(100)) + "]"
    assert len(FORMS["keywords"].of(generation(text))) == answers.MAX_KEYWORDS
