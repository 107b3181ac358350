"""The output items of a response, and the events that tell of them as they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from engine.wire.chat_output import MessagePart, ToolCallPart

Event = dict[str, Any]


class OutputItems:
    """Takes the parts of a message; ``items`` are those that have ended, and the one that goes on.

    Thinking, text and each call of a function are items, in the order in which they come.
    """

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self._open: _Thinking | _Message | _Call | None = None
        self._ahead: list[Mapping[str, Any]] = []
        """Log probabilities of tokens whose text hasn't come."""

    def take(self, part: MessagePart, logprobs: Sequence[Mapping[str, Any]] = ()) -> Iterator[Event]:
        """Yield the events of ``part``; ``logprobs`` are those of its tokens.

        They go with its text, or the next one.  Those of tokens that turn out to be no text are left out.
        """
        self._ahead += logprobs
        if part.reasoning:
            yield from self._in(_Thinking)
            yield from self._grow(part.reasoning)
        if part.content:
            yield from self._in(_Message)
            yield from self._say(part.content)
        for call in part.calls:
            if not isinstance(self._open, _Call) or self._open.index != call.index:
                yield from self._begin(_Call(call))
            yield from self._grow(call.arguments)
        if part.reasoning or part.calls:
            self._ahead = []

    def end(self, status: str) -> Iterator[Event]:
        """Yield the last events; ``status``: of the last item, which is an empty text if there is none."""
        if not self.items:
            yield from self._begin(_Message())
        if self._ahead and isinstance(self._open, _Message):
            yield from self._say("")
        yield from self._close(status)

    def _say(self, text: str) -> Iterator[Event]:
        logprobs, self._ahead = self._ahead, []
        yield from self._grow(text, logprobs)

    def _in(self, kind: type[_Thinking | _Message]) -> Iterator[Event]:
        if not isinstance(self._open, kind):
            yield from self._begin(kind())

    def _begin(self, item: _Thinking | _Message | _Call) -> Iterator[Event]:
        yield from self._close("completed")
        self._open = item
        self.items.append(item.so_far())
        yield from self._located(item.beginning())

    def _grow(self, text: str, logprobs: Sequence[Mapping[str, Any]] = ()) -> Iterator[Event]:
        assert self._open is not None
        yield from self._located(self._open.grow(text, logprobs))

    def _close(self, status: str) -> Iterator[Event]:
        if self._open is not None:
            self.items[-1] = self._open.whole(status)
            yield from self._located(self._open.ending(self.items[-1]))
            self._open = None

    def _located(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            yield event | {"output_index": len(self.items) - 1}


class _Piecewise:
    """An item whose text comes in pieces."""

    prefix: str

    def __init__(self) -> None:
        self.item_id = f"{self.prefix}_{uuid4().hex}"
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def so_far(self) -> dict[str, Any]:
        raise NotImplementedError

    def added(self) -> Event:
        return {"type": "response.output_item.added", "item": self.so_far()}

    def of_text(self, kind: str, **others: Any) -> Event:
        return {"type": f"response.{kind}", "item_id": self.item_id} | others

    def of_content(self, kind: str, **others: Any) -> Event:
        return self.of_text(kind, content_index=0, **others)


class _Thinking(_Piecewise):
    prefix = "rs"

    def so_far(self) -> dict[str, Any]:
        return {
            "id": self.item_id,
            "type": "reasoning",
            "summary": [],
            "content": [],
            "status": "in_progress",
        }

    def beginning(self) -> Iterator[Event]:
        yield self.added()
        yield self.of_content("content_part.added", part=self._part(""))

    def grow(self, text: str, logprobs: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
        self.pieces.append(text)
        yield self.of_content("reasoning_text.delta", delta=text)

    def whole(self, status: str) -> dict[str, Any]:
        return self.so_far() | {"content": [self._part(self.text)], "status": status}

    def ending(self, whole: dict[str, Any]) -> Iterator[Event]:
        (part,) = whole["content"]
        yield self.of_content("reasoning_text.done", text=part["text"])
        yield self.of_content("content_part.done", part=part)
        yield {"type": "response.output_item.done", "item": whole}

    @staticmethod
    def _part(text: str) -> dict[str, Any]:
        return {"type": "reasoning_text", "text": text}


class _Message(_Piecewise):
    prefix = "msg"

    def __init__(self) -> None:
        super().__init__()
        self.logprobs: list[Mapping[str, Any]] = []

    def so_far(self) -> dict[str, Any]:
        said = {"id": self.item_id, "type": "message", "role": "assistant"}
        return said | {"content": [], "status": "in_progress"}

    def beginning(self) -> Iterator[Event]:
        yield self.added()
        yield self.of_content("content_part.added", part=self._part("", []))

    def grow(self, text: str, logprobs: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
        self.pieces.append(text)
        self.logprobs += logprobs
        yield self.of_content("output_text.delta", delta=text, logprobs=list(logprobs))

    def whole(self, status: str) -> dict[str, Any]:
        return self.so_far() | {"content": [self._part(self.text, self.logprobs)], "status": status}

    def ending(self, whole: dict[str, Any]) -> Iterator[Event]:
        (part,) = whole["content"]
        yield self.of_content("output_text.done", text=part["text"], logprobs=part["logprobs"])
        yield self.of_content("content_part.done", part=part)
        yield {"type": "response.output_item.done", "item": whole}

    @staticmethod
    def _part(text: str, logprobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(logprobs)}


class _Call(_Piecewise):
    prefix = "fc"

    def __init__(self, first: ToolCallPart) -> None:
        super().__init__()
        self.index, self._call_id, self._name = first.index, first.call_id, first.name

    def so_far(self) -> dict[str, Any]:
        called = {"id": self.item_id, "type": "function_call", "call_id": self._call_id}
        return called | {"name": self._name, "arguments": "", "status": "in_progress"}

    def beginning(self) -> Iterator[Event]:
        yield self.added()

    def grow(self, text: str, logprobs: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
        if text:
            self.pieces.append(text)
            yield self.of_text("function_call_arguments.delta", delta=text)

    def whole(self, status: str) -> dict[str, Any]:
        return self.so_far() | {"arguments": self.text, "status": status}

    def ending(self, whole: dict[str, Any]) -> Iterator[Event]:
        named = {"name": self._name, "arguments": whole["arguments"]}
        yield self.of_text("function_call_arguments.done", **named)
        yield {"type": "response.output_item.done", "item": whole}
