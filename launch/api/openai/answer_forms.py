"""The two forms of an answer, whole or in parts: a chat's and a completion's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from engine.wire.chat_output import MessagePart, ToolCallPart
from engine.wire.messages import Finished
from launch.api.openai.logprobs import Row, TokenBytes, chat_logprobs, completion_logprobs


class AnswerForm(Protocol):
    """How a kind of answer looks; ``whole_object`` and ``part_object`` are its and its parts' ``object``."""

    whole_object: str
    part_object: str
    id_prefix: str

    def whole(self, answer: Finished) -> dict[str, Any]:
        """Return a choice's output."""
        ...

    def part(self, text: str) -> dict[str, Any]:
        """Return a part of a choice's output; the last one has no text."""
        ...

    def message_parts(self, part: MessagePart) -> list[dict[str, Any]]:
        """Return the parts of a choice's output that are in a part of a message."""
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

    def whole(self, answer: Finished) -> dict[str, Any]:
        """Return a message."""
        read = answer.message or MessagePart(content=answer.text)
        content = None if read.calls and not read.content else read.content
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        if read.reasoning:
            message["reasoning_content"] = read.reasoning
        if read.calls:
            message["tool_calls"] = [_call(call) for call in read.calls]
        return {"message": message}

    def part(self, text: str) -> dict[str, Any]:
        """Return a delta."""
        return {"delta": {"content": text} if text else {}}

    def message_parts(self, part: MessagePart) -> list[dict[str, Any]]:
        """Return a delta for thinking, one for content, and one for each part of a call."""
        deltas: list[dict[str, Any]] = []
        if part.reasoning:
            deltas.append({"reasoning_content": part.reasoning})
        if part.content:
            deltas.append({"content": part.content})
        deltas += [{"tool_calls": [{"index": call.index} | _call(call)]} for call in part.calls]
        return [{"delta": delta} for delta in deltas]

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

    def whole(self, answer: Finished) -> dict[str, Any]:
        """Return a text."""
        return {"text": answer.text}

    def part(self, text: str) -> dict[str, Any]:
        """Return a part of the text."""
        return {"text": text}

    def message_parts(self, part: MessagePart) -> list[dict[str, Any]]:
        """Return nothing: completions are not read."""
        return []

    def opening(self) -> None:
        """Return nothing."""

    def logprobs(self, rows: Sequence[Row], token_bytes: TokenBytes, offset: int) -> dict[str, Any]:
        """Return parallel lists."""
        return completion_logprobs(rows, token_bytes, offset)


def _call(call: ToolCallPart) -> dict[str, Any]:
    """Return a call, or a part of it: its first one says what is called."""
    if not call.name:
        return {"function": {"arguments": call.arguments}}
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.call_id, "type": "function", "function": function}


CHAT, COMPLETION = ChatForm(), CompletionForm()
