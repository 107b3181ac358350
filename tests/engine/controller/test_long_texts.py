"""Long texts: the same tokens, in other processes, and never more work than the context is worth."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from engine.controller.controller import Controller
from engine.controller.live_steps import Services
from engine.controller.long_texts import LongTexts, encode_bounded
from engine.controller.prompt_encoder import LONG_CHARACTERS, PromptEncoder, PromptTooLongError
from engine.wire.token_ids import TOKEN_BYTES, pack_ids
from sched.errors import UnavailableError
from sched.workflow import Segment, SegmentKind, SqlBackend

_LONG = "word " * LONG_CHARACTERS


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "word": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


class _Counting:
    """A tokenizer that counts the characters it is given."""

    def __init__(self) -> None:
        self.characters = 0
        self._tokenizer = _tokenizer()

    def encode_batch_fast(self, texts: list[str], add_special_tokens: bool) -> object:
        self.characters += sum(map(len, texts))
        return self._tokenizer.encode_batch_fast(texts, add_special_tokens=add_special_tokens)


@pytest.fixture
async def long_texts() -> AsyncIterator[LongTexts]:
    """Yield processes, and end them."""
    made = LongTexts(_tokenizer())
    yield made
    made.close()


@pytest.fixture
async def encoder() -> AsyncIterator[PromptEncoder]:
    """Yield an encoder, and end its processes."""
    made = PromptEncoder(_tokenizer())
    yield made
    made.close()


def test_far_too_long_a_text_is_not_read_to_its_end() -> None:
    """Little of it is counted, and nothing is encoded."""
    counting = _Counting()
    assert encode_bounded([_LONG] * 10, 1000, counting) is None
    assert counting.characters < len(_LONG)


def test_tokens_are_counted_not_characters() -> None:
    """Few tokens of many characters each are no reason to refuse a text."""
    encoded = encode_bounded(["x" * 100_000, "word"], 1000, _tokenizer())
    assert encoded == [pack_ids([0]), pack_ids([1])]


async def test_a_long_prompt_has_the_same_tokens_as_a_short_one(encoder: PromptEncoder) -> None:
    """Its segments keep their ends; what is shared is kept as ever."""
    segments = [Segment(SegmentKind.SCHEMA, _LONG), Segment(SegmentKind.QUESTION, "word unknown")]
    prompt = await encoder.encode(segments)
    assert prompt.token_ids == pack_ids([*([1] * LONG_CHARACTERS), 1, 0])
    assert prompt.boundaries == (LONG_CHARACTERS, LONG_CHARACTERS + 2)
    assert (await encoder.encode(segments)).token_ids == prompt.token_ids


async def test_a_prompt_that_is_far_too_long_is_refused(encoder: PromptEncoder) -> None:
    """The error says how long it is and what the context holds."""
    with pytest.raises(PromptTooLongError, match=f"{len(_LONG)} characters.* 1000 tokens.*shorten"):
        await encoder.encode_text(_LONG, most_tokens=1000)


async def test_many_short_segments_are_a_long_prompt(encoder: PromptEncoder) -> None:
    """They too are refused before all of them are encoded."""
    segments = [Segment(SegmentKind.CONTEXT, f"{'word ' * 1000}{n}") for n in range(100)]
    with pytest.raises(PromptTooLongError):
        await encoder.encode(segments, most_tokens=1000)


async def test_a_prompt_of_any_length_is_counted(encoder: PromptEncoder) -> None:
    """A schema that exceeds the context is shown in parts, so its tokens must be known."""
    controller = cast(Controller, SimpleNamespace(workers=SimpleNamespace(context_length=1000)))
    services = Services(controller, encoder, cast(SqlBackend, None), 10.0)
    prompt = [Segment(SegmentKind.SCHEMA, _LONG)]
    assert await services.count(prompt) == LONG_CHARACTERS
    with pytest.raises(PromptTooLongError):
        await services.encode([*prompt, Segment(SegmentKind.SCHEMA, f"{_LONG}more")])


async def test_a_process_that_dies_is_replaced(long_texts: LongTexts) -> None:
    """The next text doesn't notice."""
    assert await long_texts.encode(["word"]) == [pack_ids([1])]
    for pid in _children(long_texts):
        os.kill(pid, signal.SIGKILL)
    encoded = await long_texts.encode(["word word"])
    assert encoded is not None
    assert len(encoded[0]) == 2 * TOKEN_BYTES


async def test_processes_that_always_die_are_no_hang(
    long_texts: LongTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told to try again."""
    monkeypatch.setattr(long_texts, "_definition", _Broken())
    with pytest.raises(UnavailableError, match="tokenised"):
        await long_texts.encode(["word"])


class _Broken:
    def to_str(self) -> str:
        """Return what is no tokenizer."""
        return "{}"


def _children(long_texts: LongTexts) -> list[int]:
    assert long_texts._pool is not None
    return list(long_texts._pool._processes)
