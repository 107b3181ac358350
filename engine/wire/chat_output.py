"""A chat's output in its parts: what the controller wants read, and what a worker read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RUNTIMES_OWN = ""
"""The format that the runtime was started with (``--tool-call-parser``)."""
JSON_FORMAT = "json"
"""Calls as a JSON array of objects with ``name`` and ``parameters``; a grammar makes any model write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the output of a chat is to be read.

    ``tools`` are OpenAI's; none: nothing can be called.  ``required``: there must be a call, of ``function``
    if it names one.  Without ``parallel`` there is one call at most.  ``call_format``: SGLang's name of the
    format of calls, ``RUNTIMES_OWN`` or ``JSON_FORMAT``.  ``earlier_calls``: those of the conversation.

    ``reasoning``: the model's thinking is kept apart, and streamed unless ``whole_reasoning``.
    ``template_variables`` are the client's for the chat template: they say whether the model thinks.
    ``begun``: the beginning of the answer, where the client gave it.
    """

    tools: Sequence[Mapping[str, Any]] = ()
    required: bool = False
    function: str = ""
    parallel: bool = True
    call_format: str = RUNTIMES_OWN
    earlier_calls: int = 0
    reasoning: bool = True
    whole_reasoning: bool = False
    template_variables: Mapping[str, Any] = field(default_factory=dict)
    begun: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallPart:
    """A part of the call at ``index``; its first part has the ``call_id`` and the ``name``.

    The ``arguments`` of all parts together are JSON, if the model ended them.
    """

    index: int
    arguments: str = ""
    call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePart:
    """A part of an assistant's message, or all of it: then each call is one part."""

    content: str = ""
    reasoning: str = ""
    calls: Sequence[ToolCallPart] = ()

    def __bool__(self) -> bool:
        return bool(self.content or self.reasoning or self.calls)
