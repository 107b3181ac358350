"""SGLang's grammar backend keeps few compiled grammars."""

from __future__ import annotations

from types import SimpleNamespace

from engine.sglang.grammars import MOST_COMPILED_BYTES, MOST_GRAMMARS, keep_few


class Compiler:
    """As xgrammar's: it knows the bytes of its cache."""

    def __init__(self, size: int) -> None:
        self.size = size

    def get_cache_size_bytes(self) -> int:
        return self.size

    def clear_cache(self) -> None:
        self.size = 0


def test_the_oldest_grammars_go() -> None:
    """However many questions have a grammar of their own, memory stays bounded."""
    backend = SimpleNamespace(cache={}, grammar_compiler=Compiler(MOST_COMPILED_BYTES))
    for number in range(MOST_GRAMMARS + 20):
        backend.cache["ebnf", str(number)] = number
        keep_few(None, backend, ("ebnf", str(number)), number)
    assert list(backend.cache.values()) == list(range(20, MOST_GRAMMARS + 20))
    assert backend.grammar_compiler.size == MOST_COMPILED_BYTES
    backend.grammar_compiler.size += 1
    keep_few(None, backend, ("ebnf", "0"), 0)
    assert backend.grammar_compiler.size == 0


def test_a_backend_without_a_compiler_is_left_alone() -> None:
    """Others than xgrammar keep their grammars in the same dictionary."""
    backend = SimpleNamespace(cache={number: number for number in range(MOST_GRAMMARS + 1)})
    keep_few(None, backend)
    assert len(backend.cache) == MOST_GRAMMARS


def test_the_backend_of_a_model_that_thinks_is_bounded_too() -> None:
    """SGLang wraps it, so that grammars bind what comes after the thinking."""
    inner = SimpleNamespace(cache={}, grammar_compiler=Compiler(MOST_COMPILED_BYTES + 1))
    keep_few(None, SimpleNamespace(cache={}, grammar_backend=inner))
    assert inner.grammar_compiler.size == 0
