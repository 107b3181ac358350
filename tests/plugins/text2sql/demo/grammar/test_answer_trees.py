"""Bound answers can always be understood."""

from __future__ import annotations

import random

import pytest

from plugins.text2sql.answers import UnitTests
from plugins.text2sql.demo.grammar.answer_trees import answer_tree
from plugins.text2sql.demo.grammar.tree import max_length, to_ebnf
from tests.plugins.text2sql.demo.grammar.grammar_machine import accepts, compiled, sample
from tests.plugins.text2sql.test_answers import FORMS, generation


@pytest.mark.parametrize("name", FORMS)
def test_what_the_grammar_allows_is_understood(name: str) -> None:
    """Bound answers are never empty-handed, and mean the same to xgrammar as to us."""
    form = FORMS[name]
    tree = answer_tree(form)
    grammar = compiled(to_ebnf(tree))
    rng = random.Random(2)
    understood = []
    for _ in range(50):
        text = sample(tree, rng)
        assert accepts(grammar, text), text
        assert len(text.encode()) <= max_length(tree)
        understood.append(form.of(generation(text)))
    assert all(understood) or name == "verdicts"
    assert len({repr(answer) for answer in understood}) > 1


def test_bound_tests_are_different_ones() -> None:
    """A model that repeats itself would otherwise have one test evaluated several times."""
    rng = random.Random(4)
    for at_most in (1, 2, 3, 9):
        form = UnitTests(at_most)
        for _ in range(20):
            assert len(form.of(generation(sample(answer_tree(form), rng)))) == min(at_most, 3)
