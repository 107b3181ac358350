"""The model's own chat template: messages in, prompt segments out."""

from __future__ import annotations

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

from sched.errors import InvalidRequestError
from sched.workflow import Segment, SegmentKind

MAX_SHARED_CHARACTERS = 64_000
"""A longer system message is no segment of its own: the encoder would keep it and its token ids."""

_PROBE = "sluiceprobe"

Message = Mapping[str, Any]


class ChatTemplate:
    """A Jinja template as transformers runs it: the same sandbox, filters, functions and block tags.

    ``special_tokens`` are the template's variables (``bos_token`` …), ``added`` the tokenizer's added tokens.

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

    def segments(
        self, messages: Sequence[Message], variables: Mapping[str, Any], continue_final: bool = False
    ) -> list[Segment]:
        """Return the prompt that asks for the next message of an assistant.

        ``messages`` have ``role`` and ``content``, a text or a list of texts; ``variables`` are the client's.
        With ``continue_final`` the last message is the beginning of the answer.

        A system message in front is a segment of its own where the prompt can be cut there without
        changing its tokens.

        Raises:
            InvalidRequestError: the template refuses the messages.
        """
        begun = _joined(messages[-1]["content"]) if continue_final else ""
        shown = [self._adapted(message) for message in (messages[:-1] if continue_final else messages)]
        try:
            text = self._render(shown, variables)
        except Exception as error:  # a template can raise anything
            raise InvalidRequestError(
                f"the model's chat template refuses these messages: {error}", field="messages"
            ) from error
        cut = self._cut(text, messages[0])
        parts = [(SegmentKind.TEMPLATE, text[:cut]), (SegmentKind.CONTEXT, text[cut:])]
        return [Segment(kind, part) for kind, part in [*parts, (SegmentKind.CONTEXT, begun)] if part]

    def _render(self, messages: Sequence[Message], variables: Mapping[str, Any]) -> str:
        fixed = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": True}
        return self._template.render(self._special_tokens | dict(variables) | fixed)

    def _probe(self, content: Any) -> str:
        try:
            return self._render([{"role": "user", "content": content}], {})
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
        return {**message, "role": role, "content": _joined(content) if as_text else parts}

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


def _joined(content: str | Sequence[str]) -> str:
    return content if isinstance(content, str) else " ".join(content)


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
