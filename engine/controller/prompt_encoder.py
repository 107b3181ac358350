"""Tokenising, once, at the controller: segments become one prompt whose segment ends are token boundaries."""

from __future__ import annotations

import asyncio
from array import array
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise, takewhile
from pathlib import Path

from tokenizers import Tokenizer

from engine.controller.long_texts import LongTexts, token_ids
from engine.wire.token_ids import TOKEN_BYTES, pack_ids, unpack_ids
from engine.wire.tokenizer_identity import TOKENIZER_FILE
from sched.cache.prefix import BLOCK_TOKENS, block_chain
from sched.errors import ConfigError, InvalidRequestError
from sched.workflow import Segment, SegmentKind

LONG_CHARACTERS = 32 * 1024
"""A thread needs about ten milliseconds for so many; longer texts go to another process."""
_CACHED_SEGMENTS = 2048
_CACHED_KINDS = frozenset({SegmentKind.TEMPLATE, SegmentKind.SCHEMA})


class PromptTooLongError(InvalidRequestError):
    """A prompt is so long that it was not even tokenised."""


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A tokenised prompt.  ``token_ids`` is little-endian int32, ``boundaries`` the token index at which
    each segment ends, ``kinds`` how widely each is shared, ``blocks`` the hash chain of its full blocks."""

    token_ids: bytes
    boundaries: tuple[int, ...]
    kinds: tuple[SegmentKind, ...]
    blocks: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Length in tokens."""
        return len(self.token_ids) // TOKEN_BYTES

    @property
    def shared_tokens(self) -> int:
        """Leading tokens that are of a template or a schema."""
        ends = takewhile(lambda part: part[1] in _CACHED_KINDS, zip(self.boundaries, self.kinds, strict=True))
        return max((end for end, _ in ends), default=0)

    def blocks_of_output(self, token_ids: bytes) -> tuple[int, ...]:
        """Return the hashes of the blocks behind the prompt's that an output (int32) fills in the KV cache.

        Its last token isn't there: it was sampled and not computed.
        """
        begun = self.token_ids[len(self.blocks) * BLOCK_TOKENS * TOKEN_BYTES :]
        previous = self.blocks[-1] if self.blocks else 0
        return block_chain(begun + token_ids[:-TOKEN_BYTES], previous=previous)


def prompt_from_ids(token_ids: Sequence[int]) -> EncodedPrompt:
    """Return the prompt of bare token ids.

    Raises:
        InvalidRequestError: empty, or an id that is not a non-negative int32.
    """
    if not token_ids:
        raise InvalidRequestError("input_ids is empty: give at least one token id", field="input_ids")
    try:
        # Unsigned, which refuses negative ids and is packed several times as fast.
        packed = array("I", token_ids).tobytes()
        fits = packed[3::4].isascii()  # no sign bit is set
    except (OverflowError, TypeError):
        fits = False
    if not fits:
        raise InvalidRequestError(
            f"input_ids must be token ids, integers from 0 to {2**31 - 1}", field="input_ids"
        )
    return EncodedPrompt(packed, (len(token_ids),), (SegmentKind.CONTEXT,), block_chain(packed))


class PromptEncoder:
    """Turns segments into prompts with the model's tokenizer, off the loop; shared ones are encoded once.

    Short texts are encoded in a thread, long ones in other processes.  The tokenizer's own prefix (a BOS
    token, where the model has one) goes in front of the first segment.  ``tokenizer`` is for reading.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._prefix = pack_ids(tokenizer.encode("").ids)
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tokenise")
        self._long_texts = LongTexts(tokenizer)

    @classmethod
    def load(cls, model_path: str) -> PromptEncoder:
        """Return the encoder of the model in the folder ``model_path``.

        The file ``tokenizer.json`` is read directly: transformers would import torch into this process.

        Raises:
            ConfigError: the folder has no usable ``tokenizer.json``.
        """
        path = Path(model_path) / TOKENIZER_FILE
        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises bare Exception
            raise ConfigError(
                f"{path} can't be read as a tokenizer ({error}); save the model's fast tokenizer there",
                field="model_path",
            ) from error

    async def encode(
        self, segments: Sequence[Segment], prefixed: bool = True, *, most_tokens: int | None = None
    ) -> EncodedPrompt:
        """Return the prompt of ``segments``, with the tokenizer's prefix in front if ``prefixed``.

        One that is far longer than ``most_tokens`` is refused before all of it is encoded.

        Raises:
            InvalidRequestError: no token comes out.
            PromptTooLongError: far too many do.
            UnavailableError: a long text could not be encoded in time.
        """
        texts = {segment.text for segment in segments if segment.text not in self._cache}
        long_ones: Mapping[str, bytes] = {}
        if sum(map(len, texts)) > LONG_CHARACTERS:
            encoded = await self._long_texts.encode(tuple(texts), most_tokens)
            if encoded is None:
                raise PromptTooLongError(
                    f"the prompt has {sum(map(len, texts))} characters, far more than the context of "
                    f"{most_tokens} tokens can hold: shorten it",
                    field="text",
                )
            long_ones = dict(zip(texts, encoded, strict=True))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._encode, segments, prefixed, long_ones)

    async def encode_text(self, text: str, *, most_tokens: int | None = None) -> EncodedPrompt:
        """Return the prompt of bare ``text``, as SGLang would tokenise it; raises as :meth:`encode`."""
        return await self.encode([Segment(SegmentKind.CONTEXT, text)], most_tokens=most_tokens)

    async def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Return the text of ``token_ids``, without those that stand for nothing."""
        decode = partial(self.tokenizer.decode, list(token_ids), skip_special_tokens=skip_special_tokens)
        return str(await asyncio.get_running_loop().run_in_executor(self._pool, decode))

    def texts(self, token_ids: bytes, lengths: Sequence[int]) -> tuple[str, ...]:
        """Return the texts of the parts of a prompt, which have ``lengths`` tokens."""
        ids, ends = unpack_ids(token_ids).tolist(), accumulate(lengths, initial=0)
        parts = [ids[begin:end] for begin, end in pairwise(ends)]
        return tuple(self.tokenizer.decode(part, skip_special_tokens=False) for part in parts)

    def close(self) -> None:
        """End the thread and the processes."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._long_texts.close()

    def _encode(
        self, segments: Sequence[Segment], prefixed: bool, long_ones: Mapping[str, bytes]
    ) -> EncodedPrompt:
        parts = [self._prefix] if prefixed else []
        boundaries = []
        length = sum(map(len, parts))
        for segment in segments:
            part = self._segment(segment, long_ones)
            parts.append(part)
            length += len(part)
            boundaries.append(length // TOKEN_BYTES)
        if not length:
            raise InvalidRequestError("the prompt is empty: give some text", field="text")
        token_ids = b"".join(parts)
        kinds = tuple(segment.kind for segment in segments)
        return EncodedPrompt(token_ids, tuple(boundaries), kinds, block_chain(token_ids))

    def _segment(self, segment: Segment, long_ones: Mapping[str, bytes]) -> bytes:
        known = self._cache.get(segment.text)
        if known is not None:
            self._cache.move_to_end(segment.text)
            return known
        encoded = long_ones.get(segment.text)
        packed = pack_ids(token_ids(self.tokenizer, segment.text)) if encoded is None else encoded
        if segment.kind in _CACHED_KINDS:
            self._cache[segment.text] = packed
            if len(self._cache) > _CACHED_SEGMENTS:
                self._cache.popitem(last=False)
        return packed
