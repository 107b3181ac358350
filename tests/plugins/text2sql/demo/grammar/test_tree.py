"""The building blocks of grammars mean the same in all three readings."""

from __future__ import annotations

import random

import pytest

from plugins.text2sql.demo.grammar.tree import Repeat, Rule, alt, listed, max_length, optional, seq, to_ebnf
from tests.plugins.text2sql.demo.grammar.grammar_machine import sample


def test_a_tree_gives_text_length_and_samples() -> None:
    """The building blocks derive exactly what they say, in all three readings."""
    word = Rule("word", alt("é", '"\\'))
    tree = seq("<", listed(word, 3, ","), optional("!"), Repeat(word, 2, 2), ">")
    assert to_ebnf(tree) == (
        'root ::= "<" word ("," word){0,2} ("!"){0,1} (word){2,2} ">"\nword ::= ("é" | "\\"\\\\")\n'
    )
    assert max_length(tree) == len('<"\\,"\\,"\\!"\\"\\>')
    rng = random.Random(1)
    drawn = {sample(tree, rng) for _ in range(2000)}
    assert len(drawn) == (2 + 4 + 8) * 2 * 4
    assert max(len(text.encode()) for text in drawn) == max_length(tree)


def test_mistakes_in_a_tree_are_told() -> None:
    """Two rules of one name, a rule named like the root, and an empty choice are errors."""
    with pytest.raises(ValueError, match="two rules are named a"):
        to_ebnf(seq(Rule("a", alt("x")), Rule("a", alt("y"))))
    with pytest.raises(ValueError, match="two rules are named root"):
        to_ebnf(seq(Rule("root", alt("x"))))
    with pytest.raises(ValueError, match="at least one item"):
        alt()
