"""Few compiled grammars in SGLang's scheduler, which keeps each one for good.

Some grammars are one question's own, and each takes up to some 4 MB.  Knows SGLang's grammar backend.
"""

from __future__ import annotations

from typing import Any

MOST_GRAMMARS = 48
MOST_COMPILED_BYTES = 128 * 2**20
"""In xgrammar's own cache, which a grammar stays in as well."""


def keep_few(_result: None, backend: Any, *_args: Any, **_kwargs: Any) -> None:
    """Drop the oldest grammars; a hook after ``set_cache`` of SGLang's grammar backend.

    A grammar in use stays with its requests, and one that comes again is compiled again.
    """
    while len(backend.cache) > MOST_GRAMMARS:
        del backend.cache[next(iter(backend.cache))]
    inner = getattr(backend, "grammar_backend", backend)  # of a model that thinks, it is wrapped
    compiler = getattr(inner, "grammar_compiler", None)
    if compiler is not None and compiler.get_cache_size_bytes() > MOST_COMPILED_BYTES:
        compiler.clear_cache()
