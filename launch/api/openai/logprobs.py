"""Log probabilities in OpenAI's forms, made from SGLang's lists of ``(log probability, token id, text)``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from tokenizers import Tokenizer

_IMPOSSIBLE = -9999.0
"""OpenAI's stand-in for minus infinity, which JSON can't say."""
_SPACE = "\u2581"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")

Row = tuple[Sequence[Any], Sequence[Sequence[Any]]]
"""An output token and its alternatives, each as SGLang's ``(log probability, token id, text)``."""


class TokenBytes:
    """The bytes that a token of ``tokenizer`` stands for, alone: it may be a part of a character."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        decoder = tokenizer.decoder
        # The decoder's own description is the only place that says how pieces become text.
        self._state = b"" if decoder is None else bytes(decoder.__getstate__())
        self._added = tokenizer.get_added_tokens_decoder()
        self._alphabet = _byte_alphabet() if b"ByteLevel" in self._state else {}

    def __call__(self, token_id: int) -> bytes:
        """Return the bytes of a token; none for an id without token."""
        piece = self._tokenizer.id_to_token(token_id) or ""
        if token_id in self._added:
            return piece.encode()
        if self._alphabet:
            try:
                return bytes(self._alphabet[character] for character in piece)
            except KeyError:
                return piece.encode()
        if b"ByteFallback" in self._state and (byte := _BYTE.fullmatch(piece)):
            return bytes([int(byte[1], 16)])
        return (piece.replace(_SPACE, " ") if _SPACE.encode() in self._state else piece).encode()


def rows(lists: Mapping[str, Any]) -> list[Row]:
    """Return the output tokens in SGLang's ``lists`` of log probabilities, with their alternatives."""
    tokens = lists.get("output_token_logprobs") or []
    tops = lists.get("output_top_logprobs") or []
    return [(token, top or ()) for token, top in zip_longest(tokens, tops[: len(tokens)])]


def chat_logprobs(found: Iterable[Row], token_bytes: TokenBytes) -> dict[str, Any]:
    """Return the ``logprobs`` of a choice of a chat."""

    def entry(token: Sequence[Any]) -> dict[str, Any]:
        raw = token_bytes(token[1])
        return {"token": _text(raw), "logprob": _value(token[0]), "bytes": list(raw)}

    content = [entry(token) | {"top_logprobs": [entry(other) for other in top]} for token, top in found]
    return {"content": content, "refusal": None}


def completion_logprobs(found: Iterable[Row], token_bytes: TokenBytes, offset: int = 0) -> dict[str, Any]:
    """Return the ``logprobs`` of a choice of a completion, whose first token begins at ``offset``."""
    shown: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    for token, top in found:
        text = _text(token_bytes(token[1]))
        shown["tokens"].append(text)
        shown["token_logprobs"].append(_value(token[0]))
        shown["top_logprobs"].append({_text(token_bytes(other[1])): _value(other[0]) for other in top})
        shown["text_offset"].append(offset)
        offset += len(text)
    return shown


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _value(logprob: float | None) -> float:
    return _IMPOSSIBLE if logprob is None else max(logprob, _IMPOSSIBLE)


def _byte_alphabet() -> dict[str, int]:
    """Return the bytes behind the characters of byte-level tokens (GPT-2's ``bytes_to_unicode``)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
