"""Grammars as the tests use them: compiled by xgrammar, texts accepted, texts written at random."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

import xgrammar

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.demo.grammar.statements import sql_tree
from plugins.text2sql.demo.grammar.tree import Alt, Letter, Literal, Node, Repeat, Rule, Seq, to_ebnf

BYTES: Sequence[bytes] = tuple(bytes([byte]) for byte in range(256))
_CACHED_BYTES = 100_000_000
_DRAWN = "abcdefghijklmnopqrstuvwxyz ABCÄé-%"


def compiler(tokens: Sequence[bytes] = BYTES) -> xgrammar.GrammarCompiler:
    """Return a compiler for a vocabulary of ``tokens`` and, last, one that ends a text.

    It is the same one each time, which compiles a grammar once.
    """
    return _compiler(tuple(tokens))


@lru_cache(maxsize=4)
def _compiler(tokens: tuple[bytes, ...]) -> xgrammar.GrammarCompiler:
    info = xgrammar.TokenizerInfo([*tokens, b"</s>"], stop_token_ids=[len(tokens)])
    return xgrammar.GrammarCompiler(info, max_threads=1, cache_limit_bytes=_CACHED_BYTES)


def compiled(ebnf: str, tokens: Sequence[bytes] = BYTES) -> xgrammar.CompiledGrammar:
    """Return the grammar ``ebnf`` for such a vocabulary."""
    return compiler(tokens).compile_grammar(ebnf)


def accepts(grammar: xgrammar.CompiledGrammar, text: str) -> bool:
    """Return whether the grammar allows ``text``, and that it ends there."""
    matcher = xgrammar.GrammarMatcher(grammar)
    return bool(matcher.accept_string(text) and matcher.accept_token(_stop(grammar)))


def walk(grammar: xgrammar.CompiledGrammar, rng: random.Random) -> str:
    """Return what a model that picks any allowed token writes."""
    matcher, stop = xgrammar.GrammarMatcher(grammar), _stop(grammar)
    tokens = grammar.tokenizer_info.decoded_vocab
    mask = xgrammar.allocate_token_bitmask(1, len(tokens))
    written = b""
    while True:
        matcher.fill_next_token_bitmask(mask)
        words = [word & 0xFFFFFFFF for word in mask[0].tolist()]
        token = rng.choice([i for i in range(len(tokens)) if words[i // 32] >> (i % 32) & 1])
        assert matcher.accept_token(token)
        if token == stop:
            return written.decode()
        written += tokens[token]


def _stop(grammar: xgrammar.CompiledGrammar) -> int:
    (stop,) = grammar.tokenizer_info.stop_token_ids
    return int(stop)


def sample(node: Node, rng: random.Random) -> str:
    """Return a random string of the grammar."""
    match node:
        case Literal(text):
            return text
        case Seq(items):
            return "".join(sample(item, rng) for item in items)
        case Alt(items):
            return sample(rng.choice(items), rng)
        case Repeat(item, low, high):
            return "".join(sample(item, rng) for _ in range(rng.randint(low, high)))
        case Letter():
            return rng.choice(_DRAWN)
        case Rule(_, body):
            return sample(body, rng)


def sql_grammar(schema: DatabaseSchema, tables: Sequence[str] | None = None) -> str:
    """Return :func:`sql_tree` as EBNF with the root rule ``root``; raises as it does."""
    return to_ebnf(sql_tree(schema, tables))
