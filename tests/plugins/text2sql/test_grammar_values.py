"""Texts in SQL about one question: found values, choices and the question's words, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing

import pytest
import xgrammar

from plugins.text2sql.databases import DatabaseRegistry
from plugins.text2sql.grammar import sql_grammar, sql_tree
from plugins.text2sql.grammar_tree import Rule, alt, max_length, seq, to_ebnf, with_rules
from plugins.text2sql.grammar_values import about
from plugins.text2sql.schema import DatabaseSchema
from plugins.text2sql.shop import build_shop

STOP = 256
VOCABULARY = [*(bytes([byte]) for byte in range(256)), b"</s>"]
QUESTION = "how many orders did bruno O'Brian from Köln place?"
FOUND = ("customers.first_name = 'Bruno'", "suppliers.name = 'O''Hara Goods'")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseSchema]:
    path = tmp_path_factory.mktemp("values") / "shop.sqlite"
    build_shop(path)
    with closing(DatabaseRegistry()) as registry:
        registry.register("shop", path)
        yield registry.schema("shop")


def compiled(ebnf: str) -> xgrammar.CompiledGrammar:
    info = xgrammar.TokenizerInfo(VOCABULARY, stop_token_ids=[STOP])
    return xgrammar.GrammarCompiler(info, max_threads=1).compile_grammar(ebnf)


def accepts(grammar: xgrammar.CompiledGrammar, text: str) -> bool:
    matcher = xgrammar.GrammarMatcher(grammar)
    return bool(matcher.accept_string(text) and matcher.accept_token(STOP))


@pytest.fixture(scope="module")
def bound(shop: DatabaseSchema) -> xgrammar.CompiledGrammar:
    return compiled(about(sql_grammar(shop), shop, QUESTION, FOUND))


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ("first_name = 'Bruno'", True),  # found, though the question has small letters
        ("first_name = 'bruno'", False),
        ("first_name = 'Anna'", False),
        ("country = 'Germany'", True),  # a choice
        ("country = 'Köln'", False),
        ("city = 'Köln'", True),  # nothing is found: the question's words
        ("last_name = 'O''Brian'", True),
        ("last_name = 'bruno'", True),
        ("last_name = 'Brian From Köln'", True),  # capitalised
        ("last_name = 'Braun'", False),
        ("city <> 'Berlin'", False),
        ("city LIKE '%from Köln%'", True),
        ("city LIKE '%Berlin%'", False),
        ("city IS NULL", False),
        ("signed_up_on LIKE '2024%'", True),  # dates are as free as ever
        ("id > 12", True),
    ],
)
def test_texts_are_bound(bound: xgrammar.CompiledGrammar, condition: str, allowed: bool) -> None:
    """A name can't be misspelt, wherever it comes from; numbers and dates stay free."""
    assert accepts(bound, f"SELECT id FROM customers WHERE {condition}") is allowed


def test_joins_are_bound_as_well(bound: xgrammar.CompiledGrammar) -> None:
    """A found value is quoted as SQL wants it, and only its own column has it."""
    join = "SELECT count(*) FROM products JOIN suppliers ON products.supplier_id = suppliers.id WHERE "
    assert accepts(bound, f"{join}suppliers.name = 'O''Hara Goods'")
    assert not accepts(bound, f"{join}products.name = 'O''Hara Goods'")


def test_no_statement_gets_longer(shop: DatabaseSchema) -> None:
    """Texts longer than a free one could be are left out, so that the token limit still holds."""
    question = f"{'東' * 40} {'x' * 40} {'y' * 41} it's"
    ebnf = about(sql_grammar(shop), shop, question, (f"customers.city = '{'z' * 90}'",))
    assert "東" not in ebnf
    assert "zzz" not in ebnf
    assert "x" * 40 in ebnf
    assert "y" * 41 not in ebnf
    assert compiled(ebnf)


@pytest.mark.parametrize("question", ["???", "", "x" * 500])
def test_a_question_without_words_changes_nothing(shop: DatabaseSchema, question: str) -> None:
    """There is nothing to choose from then."""
    assert about(sql_grammar(shop), shop, question, ()) == sql_grammar(shop)


def test_rules_are_replaced_by_name() -> None:
    """Other rules stay as they are, and rules under a new one come along."""
    word = Rule("word", alt("a", "b\n"))
    base = to_ebnf(seq(word, "=", Rule("other", alt("c", "d"))))
    changed = with_rules(base, [Rule("word", seq(Rule("inner", alt("x", "y")), "!"))])
    grammar = compiled(changed)
    assert accepts(grammar, "x!=c")
    assert not accepts(grammar, "a=c")
    with pytest.raises(ValueError, match="two rules"):
        with_rules(base, [Rule("word", alt("a", "b")), Rule("word", alt("c", "d"))])


def test_what_is_bound_was_allowed_before(shop: DatabaseSchema, bound: xgrammar.CompiledGrammar) -> None:
    """Binding only takes away: what any byte allowed at each step leads to is in the free grammar too."""
    free = compiled(sql_grammar(shop))
    longest = max_length(sql_tree(shop))
    rng = random.Random(4)
    for _ in range(15):
        statement = written(bound, rng)
        assert len(statement.encode()) <= longest
        assert accepts(free, statement), statement


def written(grammar: xgrammar.CompiledGrammar, rng: random.Random) -> str:
    matcher = xgrammar.GrammarMatcher(grammar)
    mask = xgrammar.allocate_token_bitmask(1, len(VOCABULARY))
    text = b""
    while True:
        matcher.fill_next_token_bitmask(mask)
        words = [word & 0xFFFFFFFF for word in mask[0].tolist()]
        token = rng.choice([i for i in range(STOP + 1) if words[i // 32] >> (i % 32) & 1])
        assert matcher.accept_token(token)
        if token == STOP:
            return text.decode()
        text += VOCABULARY[token]
