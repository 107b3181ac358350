"""The model's own chat template: messages in, prompt segments out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken

from launch.api.openai.tool_text import parsed, plain, without_calls
from sched.errors import InvalidRequestError
from sched.workflow import Segment, SegmentKind

MAX_SHARED_CHARACTERS = 64_000
"""A longer system message is no segment of its own: the encoder would keep it and its token ids."""

_PROBE, _RESULT_PROBE = "sluiceprobe", "sluiceresultprobe"
_PROBED_TOOL = {
    "type": "function",
    "function": {
        "name": _PROBE,
        "description": "",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    },
}
_SHORT_ID = 9
"""Some templates of Mistral's take no longer ids of calls, and no shorter ones."""

Message = Mapping[str, Any]


class ChatTemplate:
    """A Jinja template as transformers runs it: the same sandbox, filters, functions and block tags.

    ``special_tokens`` are the template's variables (``bos_token`` …), ``added`` the tokenizer's added tokens.
    ``takes_system``, ``knows_tools``: whether messages of a system's, and tools, come into the prompt.

    Raises:
        jinja2.TemplateError: ``source`` is no template.
    """

    def __init__(
        self, source: str, special_tokens: Mapping[str, Any] | None = None, added: Iterable[AddedToken] = ()
    ) -> None:
        self._template = _environment().from_string(source)
        self._special_tokens = dict(special_tokens or {})
        self._knows_developer = "developer" in source
        used = source + "".join(value for value in self._special_tokens.values() if isinstance(value, str))
        self._seams = _seams(used, list(added))
        self._takes_text = _PROBE in self._probe(_PROBE)
        with_parts = self._probe([{"type": "text", "text": _PROBE}])
        self._takes_parts = _PROBE in with_parts and "'type'" not in with_parts
        self.takes_system = self._shows([_probed("system"), {"role": "user", "content": "?"}])
        wrapped = self._shows([{"role": "user", "content": "?"}], [_PROBED_TOOL])
        flat = self._shows([{"role": "user", "content": "?"}], [_PROBED_TOOL["function"]])
        self.knows_tools, self._flat_tools = wrapped or flat, flat and not wrapped
        self._short_ids = False
        self._knows_calls = self._shows_call()
        if not self._knows_calls:
            self._short_ids = True
            self._knows_calls = self._shows_call()

    def segments(
        self,
        messages: Sequence[Message],
        variables: Mapping[str, Any],
        continue_final: bool = False,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> list[Segment]:
        """Return the prompt that asks for the next message of an assistant.

        ``messages`` have ``role`` and ``content``, a text or a list of texts; ``variables`` are the client's.
        With ``continue_final`` the last message is the beginning of the answer.  ``tools`` are OpenAI's, for
        a template that knows tools.

        A system message in front is a segment of its own where the prompt can be cut there without
        changing its tokens.

        Raises:
            InvalidRequestError: the template refuses the messages.
        """
        begun = plain(messages[-1]["content"]) if continue_final else ""
        messages = messages[:-1] if continue_final else messages
        if not self._knows_calls:
            messages = without_calls(messages)
        shown = [self._adapted(message) for message in messages]
        if self._flat_tools:
            tools = [tool["function"] for tool in tools]
        try:
            text = self._render(shown, variables, tools)
        except Exception as error:  # a template can raise anything
            raise InvalidRequestError(
                f"the model's chat template refuses these messages: {error}", field="messages"
            ) from error
        cut = self._cut(text, messages[0])
        parts = [(SegmentKind.TEMPLATE, text[:cut]), (SegmentKind.CONTEXT, text[cut:])]
        return [Segment(kind, part) for kind, part in [*parts, (SegmentKind.CONTEXT, begun)] if part]

    def _render(
        self, messages: Sequence[Message], variables: Mapping[str, Any], tools: Sequence[Any] = ()
    ) -> str:
        tools_or_none = list(tools) or None
        fixed = {
            "messages": messages,
            "tools": tools_or_none,
            "documents": None,
            "add_generation_prompt": True,
        }
        return self._template.render(self._special_tokens | dict(variables) | fixed)

    def _probe(self, content: Any) -> str:
        return self._tried([{"role": "user", "content": content}])

    def _shows(self, messages: Sequence[Message], tools: Sequence[Any] = ()) -> bool:
        return _PROBE in self._tried([self._adapted(message) for message in messages], tools)

    def _shows_call(self) -> bool:
        call_id = "call_0123456789abcdef"
        called = {"id": call_id, "type": "function", "function": {"name": _PROBE, "arguments": "{}"}}
        result = {"role": "tool", "content": _RESULT_PROBE, "tool_call_id": call_id, "name": _PROBE}
        messages = [_probed("user"), {"role": "assistant", "content": "", "tool_calls": [called]}, result]
        text = self._tried([self._adapted(message) for message in messages])
        return text.count(_PROBE) > 1 and _RESULT_PROBE in text

    def _tried(self, messages: Sequence[Message], tools: Sequence[Any] = ()) -> str:
        try:
            return self._render(messages, {}, tools)
        except Exception:  # a template can raise anything
            return ""

    def _adapted(self, message: Message) -> dict[str, Any]:
        """Return a message as this template understands it."""
        content, role = message["content"], message["role"]
        if isinstance(content, str):
            as_text = self._takes_text or not self._takes_parts
        else:
            as_text = not self._takes_parts
        if role == "developer" and not self._knows_developer:
            role = "system"
        texts = [content] if isinstance(content, str) else content
        parts = [{"type": "text", "text": text} for text in texts]
        adapted = {"role": role, "content": plain(content) if as_text or role == "tool" else parts}
        if "tool_call_id" in message:
            adapted["tool_call_id"] = self._call_id(message["tool_call_id"])
        if message.get("tool_calls"):
            adapted["tool_calls"] = [self._adapted_call(call) for call in message["tool_calls"]]
        return {**message, **adapted}

    def _adapted_call(self, call: Mapping[str, Any]) -> dict[str, Any]:
        function = call["function"] | {"arguments": parsed(call["function"]["arguments"])}
        return {**call, "id": self._call_id(call["id"]), "function": function}

    def _call_id(self, call_id: str) -> str:
        """Return an id that the template takes; equal ones stay equal."""
        if not self._short_ids:
            return call_id
        return hashlib.sha256(call_id.encode()).hexdigest()[:_SHORT_ID]

    def _cut(self, text: str, first: Message) -> int:
        """Return where the system message ends in ``text``; 0 if it can't be cut there.

        An added token stands alone, whatever is in front of it, so the prompt can be cut before one.
        """
        if first["role"] not in ("system", "developer"):
            return 0
        content = first["content"]
        last = (content if isinstance(content, str) else "".join(content[-1:])).strip()
        found = text.find(last) if last else -1
        if found < 0:
            return 0
        cuts = [text.find(seam, found + len(last)) for seam in self._seams]
        cut = min((cut for cut in cuts if cut >= 0), default=0)
        return cut if cut <= MAX_SHARED_CHARACTERS else 0


def _probed(role: str) -> Message:
    return {"role": role, "content": _PROBE}


def _seams(used: str, added: Sequence[AddedToken]) -> list[str]:
    """Return the added tokens in ``used`` before which a text can be cut without changing its tokens.

    They are matched before the text is normalised, take no space from what precedes them, and no other added
    token can run into them.
    """
    names = [token.content for token in added]

    def clear(seam: str) -> bool:
        tails = (name[i:] for name in names for i in range(1, len(name)))
        return not any(seam.startswith(tail) or tail.startswith(seam) for tail in tails)

    return [
        token.content
        for token in added
        if token.content in used
        and not (token.normalized or token.lstrip or token.single_word)
        and clear(token.content)
    ]


class _Generation(Extension):
    """``{% generation %}`` marks what an assistant says, for training; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 (Jinja's own attribute)

    def parse(self, parser: Parser) -> nodes.Node:
        """Return the block's body."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def _environment() -> jinja2.Environment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter would escape HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
