"""Long texts are tokenised in processes of their own, so that nothing else in the controller waits.

The tokenizer holds Python's lock and needs seconds for megabytes; in a thread of the controller no heartbeat
would be answered meanwhile.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

from tokenizers import Tokenizer

from engine.wire.token_ids import pack_ids
from sched.errors import UnavailableError

PROCESSES = 2
TIMEOUT_SECONDS = 120.0
_SLICE_CHARACTERS = 16 * 1024
_USUAL_CHARACTERS_PER_TOKEN = 6
"""A prompt with fewer is likely to fit: it is encoded at once, without being counted first."""
_NICENESS = 5

_tokenizer: Tokenizer | None = None
"""The tokenizer of a child process."""


class LongTexts:
    """Owns the processes, which begin with the first text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._definition = tokenizer
        self._pool: ProcessPoolExecutor | None = None

    async def encode(self, texts: Sequence[str], most_tokens: int | None = None) -> list[bytes] | None:
        """Return the token ids (int32) of each text; ``None`` if all are far more than ``most_tokens``.

        Raises:
            UnavailableError: the process died twice, or took longer than ``TIMEOUT_SECONDS``.
        """
        for _ in range(2):
            pool = self._started()
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    return await asyncio.wrap_future(pool.submit(encode_bounded, texts, most_tokens))
            except BrokenProcessPool:
                if self._pool is pool:
                    self._pool = None
            except TimeoutError:
                break
        raise UnavailableError("the prompt could not be tokenised: shorten it or try again", retry_after=1.0)

    def close(self) -> None:
        """End the processes once they have done what they are at."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                PROCESSES,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(self._definition.to_str(),),
            )
        return self._pool


def encode_bounded(
    texts: Sequence[str], most_tokens: int | None, tokenizer: Tokenizer | None = None
) -> list[bytes] | None:
    """Return the token ids of each text, or ``None`` if together they are more than twice ``most_tokens``.

    ``most_tokens`` bounds time and memory, however long the texts are: slices are counted first, until there
    are too many.  A cut between slices adds a few tokens, which twice the number allows for.
    """
    known = tokenizer or _tokenizer
    assert known is not None
    if most_tokens is not None and sum(map(len, texts)) > _USUAL_CHARACTERS_PER_TOKEN * most_tokens:
        counted = 0
        for text in texts:
            for begin in range(0, len(text), _SLICE_CHARACTERS):
                counted += len(token_ids(known, text[begin : begin + _SLICE_CHARACTERS]))
                if counted > 2 * most_tokens:
                    return None
    return [pack_ids(token_ids(known, text)) for text in texts]


def token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Return the ids of ``text`` without special tokens; other threads go on meanwhile.

    Of the library's functions only those for batches release Python's lock.
    """
    ids: list[int] = tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
    return ids


def _begin(definition: str) -> None:
    """Make this process ready: it yields to the controller, and ends when that is gone."""
    global _tokenizer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(0)

    threading.Thread(target=follow, name="lifeline", daemon=True).start()
    _tokenizer = Tokenizer.from_str(definition)
