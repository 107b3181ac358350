"""The two forms of an answer, whole or in parts: a chat's and a completion's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from launch.api.openai.logprobs import Row, TokenBytes, chat_logprobs, completion_logprobs


class AnswerForm(Protocol):
    """How a kind of answer looks; ``whole_object`` and ``part_object`` are its and its parts' ``object``."""

    whole_object: str
    part_object: str
    id_prefix: str

    def whole(self, text: str) -> dict[str, Any]:
        """Return a choice's output."""
        ...

    def part(self, text: str) -> dict[str, Any]:
        """Return a part of a choice's output; the last one has no text."""
        ...

    def opening(self) -> dict[str, Any] | None:
        """Return what comes before a choice's first part."""
        ...

    def logprobs(self, rows: Sequence[Row], token_bytes: TokenBytes, offset: int) -> dict[str, Any]:
        """Return the log probabilities of output that begins at ``offset`` characters."""
        ...


class ChatForm:
    """``chat.completion``; see :class:`AnswerForm`."""

    whole_object = "chat.completion"
    part_object = "chat.completion.chunk"
    id_prefix = "chatcmpl-"

    def whole(self, text: str) -> dict[str, Any]:
        """Return a message."""
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def part(self, text: str) -> dict[str, Any]:
        """Return a delta."""
        return {"delta": {"content": text} if text else {}}

    def opening(self) -> dict[str, Any]:
        """Return the delta with the role."""
        return {"delta": {"role": "assistant", "content": ""}}

    def logprobs(self, rows: Sequence[Row], token_bytes: TokenBytes, offset: int) -> dict[str, Any]:
        """Return one entry per token."""
        return chat_logprobs(rows, token_bytes)


class CompletionForm:
    """``text_completion``; see :class:`AnswerForm`."""

    whole_object = part_object = "text_completion"
    id_prefix = "cmpl-"

    def whole(self, text: str) -> dict[str, Any]:
        """Return a text."""
        return {"text": text}

    def part(self, text: str) -> dict[str, Any]:
        """Return a part of the text."""
        return {"text": text}

    def opening(self) -> None:
        """Return nothing."""

    def logprobs(self, rows: Sequence[Row], token_bytes: TokenBytes, offset: int) -> dict[str, Any]:
        """Return parallel lists."""
        return completion_logprobs(rows, token_bytes, offset)


CHAT, COMPLETION = ChatForm(), CompletionForm()
