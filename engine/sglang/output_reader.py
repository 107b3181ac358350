"""An output read as a chat's message: thinking, text and calls, whole or piece by piece.

However an output is cut into pieces, the parts of its message together are the message that the whole output
is read as.  What SGLang's streaming parsers leave out of calls comes with the end.  A call that the limit of
tokens cut off may stand in a stream only, as far as it came.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from engine.sglang.text_pieces import TextPieces
from engine.sglang.tool_calls import CallParser, Item
from engine.wire.chat_output import MessagePart, ToolCallPart

logger = logging.getLogger(__name__)

NameCall = Callable[[str, int], str]
"""Makes the id of a call from its name and its index."""


class _Text:
    """A text as it is sent: without white space around it."""

    def __init__(self) -> None:
        self.sent = ""
        self._space = ""

    def push(self, text: str) -> str:
        """Return what is to be sent now of the text so far."""
        text = self._space + text
        text = text if self.sent else text.lstrip()
        new = text.rstrip()
        self._space = text[len(new) :]
        self.sent += new
        return new

    def rest(self, whole: str) -> str:
        """Return what is left of ``whole``, which the text turned out to be."""
        if not whole.startswith(self.sent):
            logger.debug("a stream's text isn't what the whole output says")
            return ""
        new, self.sent = whole[len(self.sent) :], whole
        return new


class SglangReader:
    """Reads one output, an :class:`~engine.worker.runtime_interface.OutputReader`.

    ``thinking`` and ``whole_thinking`` are SGLang's parsers of reasoning, ``None`` where no thinking is kept
    apart.  ``calls`` finds calls, ``None`` where nothing can be called; ``one``: the first is the only one.
    """

    def __init__(
        self, thinking: Any, whole_thinking: Any, calls: CallParser | None, one: bool, name_call: NameCall
    ) -> None:
        self._thinking, self._whole_thinking, self._calls = thinking, whole_thinking, calls
        self._one, self._name_call = one, name_call
        self._pieces = TextPieces()
        self._content, self._reasoning = _Text(), _Text()
        self._sent_calls: dict[int, ToolCallPart] = {}
        self._fed = 0
        self._broken = False

    def feed(self, text: str) -> MessagePart:
        """See ``OutputReader``."""
        self._fed += len(text)
        return self._guarded(lambda: [self._push(piece) for piece in self._pieces.take(text)])

    def end(self, text: str) -> tuple[MessagePart, MessagePart]:
        """See ``OutputReader``.  What ``feed`` wasn't given of ``text`` is among what is lacking."""
        tail = self.feed(text[self._fed :])
        last = self._guarded(lambda: [*map(self._push, self._pieces.rest()), self._flush()])
        last = _joined([tail, last, self._lacking(self.read(text))])
        calls = [self._sent_calls[index] for index in sorted(self._sent_calls)]
        return last, MessagePart(content=self._content.sent, reasoning=self._reasoning.sent, calls=calls)

    def read(self, text: str) -> MessagePart:
        """See ``OutputReader``."""
        try:
            return self._read(text)
        except Exception:
            logger.exception("an output could not be read")
            return MessagePart(content=text.strip())

    def _read(self, text: str) -> MessagePart:
        reasoning, found = "", list[tuple[str, str]]()
        if self._whole_thinking is not None:
            reasoning, text = (part or "" for part in self._whole_thinking.parse_non_stream(text))
        if self._calls is not None:
            text, found = self._calls.whole(text)
        calls = [
            ToolCallPart(index=index, arguments=arguments, name=name, call_id=self._name_call(name, index))
            for index, (name, arguments) in enumerate(found[:1] if self._one else found)
        ]
        return MessagePart(content=text.strip(), reasoning=reasoning.strip(), calls=calls)

    # --- piece by piece -------------------------------------------------------------------------

    def _guarded(self, parts: Callable[[], list[MessagePart]]) -> MessagePart:
        """Return the parts joined; nothing once a parser has failed: all comes with the end then."""
        if not self._broken:
            try:
                return _joined(parts())
            except Exception:
                logger.exception("a stream could not be read")
                self._broken = True
        return MessagePart()

    def _push(self, piece: str) -> MessagePart:
        reasoning = ""
        if self._thinking is not None:
            reasoning, piece = (part or "" for part in self._thinking.parse_stream_chunk(piece))
        return self._part(reasoning, *self._called(piece))

    def _flush(self) -> MessagePart:
        reasoning, text, items = "", "", list[Item]()
        if self._thinking is not None:
            reasoning, rest = (part or "" for part in self._thinking.parse_stream_end())
            text, items = self._called(rest)
        if self._calls is not None:
            last, more = self._calls.flush()
            text, items = text + last, items + more
        return self._part(reasoning, text, items)

    def _called(self, text: str) -> tuple[str, list[Item]]:
        if self._calls is None or not text:
            return text, []
        return self._calls.push(text)

    def _part(self, reasoning: str, text: str, items: Sequence[Item]) -> MessagePart:
        # Behind a call, parsers take for text what belongs to calls: the whole output tells.
        content = "" if self._sent_calls else self._content.push(text)
        return MessagePart(
            content=content,
            reasoning=self._reasoning.push(reasoning),
            calls=[part for item in items if (part := self._call(*item)) is not None],
        )

    def _call(self, index: int, name: str, arguments: str) -> ToolCallPart | None:
        known = self._sent_calls.get(index)
        if known is not None:
            self._sent_calls[index] = replace(known, arguments=known.arguments + arguments)
            return ToolCallPart(index=index, arguments=arguments) if arguments else None
        if not name or index != len(self._sent_calls) or (self._one and index > 0):
            return None
        part = ToolCallPart(index=index, arguments=arguments, name=name, call_id=self._name_call(name, index))
        self._sent_calls[index] = part
        self._pieces.coarse = True
        return part

    def _lacking(self, whole: MessagePart) -> MessagePart:
        calls = []
        for call in whole.calls:
            known = self._sent_calls.get(call.index)
            if known is None:
                calls.append(call)
                self._sent_calls[call.index] = call
            elif known.name == call.name and call.arguments.startswith(known.arguments):
                rest = call.arguments[len(known.arguments) :]
                self._sent_calls[call.index] = replace(known, arguments=call.arguments)
                calls += [ToolCallPart(index=call.index, arguments=rest)] if rest else []
            else:
                logger.warning("the streamed call of %s isn't what the whole output says", call.name)
        cut_off = bool(self._sent_calls) and not whole.calls  # its beginning is no text then
        return MessagePart(
            content="" if cut_off else self._content.rest(whole.content),
            reasoning=self._reasoning.rest(whole.reasoning),
            calls=calls,
        )


def _joined(parts: Sequence[MessagePart]) -> MessagePart:
    """Return the parts as one; pieces of the same call's arguments are one piece."""
    calls: list[ToolCallPart] = []
    for call in (call for part in parts for call in part.calls):
        if calls and calls[-1].index == call.index and not calls[-1].name and not call.name:
            calls[-1] = replace(calls[-1], arguments=calls[-1].arguments + call.arguments)
        else:
            calls.append(call)
    return MessagePart(
        content="".join(part.content for part in parts),
        reasoning="".join(part.reasoning for part in parts),
        calls=calls,
    )
