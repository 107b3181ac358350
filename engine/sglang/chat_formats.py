"""In which formats an SGLang engine's model calls tools and marks its thinking."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from engine.sglang import tool_calls
from engine.sglang.output_reader import SglangReader
from engine.wire.chat_output import Reading
from engine.worker.runtime_interface import StartError

_BY_MARK = {
    "<|python_tag|>": "llama3",
    "<|start_header_id|>": "llama3",
    "<|header_start|>": "pythonic",
    "<tool_call>": "hermes",
}
"""Formats that SGLang knows but doesn't detect, by what is in the chat templates that use them."""


class ChatFormats:
    """The formats of an engine's model, from SGLang's arguments or, where these say "auto", its template.

    ``tool_call_parser`` and ``reasoning_parser`` are SGLang's names, empty where there is none.
    ``templates`` is SGLang's ``TemplateManager``.

    Raises:
        StartError: a parser that was asked for is unknown.
    """

    def __init__(
        self, tool_call_parser: str | None, reasoning_parser: str | None, templates: Any, tokenizer: Any
    ) -> None:
        from sglang.srt.function_call.function_call_parser import FunctionCallParser
        from sglang.srt.parser.reasoning_parser import ReasoningParser

        self._templates, self._tokenizer = templates, tokenizer
        self.tool_call_parser = tool_call_parser or _guessed(getattr(tokenizer, "chat_template", None))
        self.reasoning_parser = reasoning_parser or ""
        _check("tool_call_parser", self.tool_call_parser, FunctionCallParser.ToolCallParserEnum)
        _check("reasoning_parser", self.reasoning_parser.lower(), ReasoningParser.DetectorMap)
        self._detector = None
        if self.reasoning_parser:
            self._detector = ReasoningParser(self.reasoning_parser, tokenizer=tokenizer).detector

    def reader(self, reading: Reading | None) -> SglangReader | None:
        """Return a reader for one output; ``None`` where its text is the whole message.

        Raises:
            ValueError: the tools are no tools.
        """
        if reading is None or not (reading.tools or self._keeps_thinking_apart(reading)):
            return None
        thinking = whole_thinking = calls = None
        if self._keeps_thinking_apart(reading):
            thinking, whole_thinking = self._thinking(reading), self._thinking(reading)
        if reading.tools:
            call_format = tool_calls.format_of(reading, self.tool_call_parser)
            calls = tool_calls.call_parser(reading, call_format, self._tokenizer)
        one = not reading.parallel or bool(reading.function)
        return SglangReader(thinking, whole_thinking, calls, one, self._name_call(reading.earlier_calls))

    def request_fields(self, reading: Reading | None) -> dict[str, Any]:
        """Return the fields of SGLang's request that ``reading`` asks for, beside its sampling parameters."""
        thinks = reading is not None and bool(self.reasoning_parser) and self._thinks(reading)
        return {"require_reasoning": True} if thinks else {}

    def sampling(self, reading: Reading | None) -> dict[str, Any]:
        """Return the sampling parameters that ``reading`` asks for.

        Raises:
            ValueError: a call is required, but there is no grammar for the tools.
        """
        if reading is None:
            return {}
        marked = {"skip_special_tokens": False} if reading.tools or self._special_thinking else {}
        if not reading.tools:
            return marked
        call_format = tool_calls.format_of(reading, self.tool_call_parser)
        prefixed = not self.reasoning_parser and self._thinks(reading)
        return marked | tool_calls.grammar(reading, call_format, self._tokenizer, prefixed=prefixed)

    @property
    def _special_thinking(self) -> bool:
        """Whether thinking is marked by special tokens, which the text must keep to be read."""
        return self.reasoning_parser in ("apertus2509", "gemma4", "gpt-oss", "inkling", "kimi_k3", "muse")

    def _keeps_thinking_apart(self, reading: Reading) -> bool:
        return reading.reasoning and bool(self.reasoning_parser)

    def _thinks(self, reading: Reading) -> bool:
        """Return whether the model is to think, by SGLang's rules for its template."""
        from sglang.srt.entrypoints.openai.serving_chat import OpenAIServingChat

        serving = SimpleNamespace(
            reasoning_parser=self.reasoning_parser,
            template_manager=self._templates,
            _reasoning_detector=self._detector,
        )
        return bool(OpenAIServingChat._get_reasoning_from_request(serving, _request(reading)))

    def _thinking(self, reading: Reading) -> Any:
        from sglang.srt.parser.reasoning_parser import ReasoningParser

        return ReasoningParser(
            self.reasoning_parser,
            stream_reasoning=not reading.whole_reasoning,
            force_reasoning=self._templates.force_reasoning or self._thinks(reading),
            request=_request(reading),
            tokenizer=self._tokenizer,
            tool_call_parser_active=bool(reading.tools),
        )

    def _name_call(self, earlier: int) -> Any:
        """Return what names calls: as the model numbers them, if it does, else by chance."""
        numbered = {"kimi_k2": "functions.{}:{}", "kimi_k3": "{}:{}"}.get(self.tool_call_parser)

        def name_call(name: str, index: int) -> str:
            return numbered.format(name, earlier + index) if numbered else f"call_{uuid4().hex[:24]}"

        return name_call


def _request(reading: Reading) -> Any:
    """Return as much of SGLang's request for a chat as its parsers look at."""
    from sglang.srt.entrypoints.openai.protocol import ChatCompletionRequest

    messages = [{"role": "user", "content": ""}]
    if reading.begun is not None:
        messages.append({"role": "assistant", "content": reading.begun})
    return ChatCompletionRequest(
        model="",
        messages=messages,
        continue_final_message=reading.begun is not None,
        chat_template_kwargs=dict(reading.template_variables),
        reasoning_effort=None,
    )


def _guessed(template: Any) -> str:
    text = template if isinstance(template, str) else ""
    return next((name for mark, name in _BY_MARK.items() if mark in text and "tools" in text), "")


def _check(field: str, name: str, known: Mapping[str, Any]) -> None:
    if name and name not in known:
        raise StartError(f"{field} {name!r} is unknown to this SGLang; it has {', '.join(sorted(known))}")
