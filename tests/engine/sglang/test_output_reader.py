"""Outputs read as messages: the same message, whole or however a stream cuts them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sglang.output_reader import SglangReader
from engine.wire.chat_output import JSON_FORMAT, MessagePart, Reading
from tests.engine.sglang.tool_samples import (
    LIST,
    RUN,
    SAID,
    SILENT,
    WRITERS,
    formats,
    joined,
    reading,
    shown,
)

CALLS: dict[str, Any] = {"one": [RUN], "two": [RUN, LIST], "same": [LIST, LIST]}


def reader(wanted: Reading, **parsers: str) -> SglangReader:
    found = formats(**parsers).reader(wanted)
    assert found is not None
    return found


def streamed(wanted: Reading, text: str, cuts: list[int], **parsers: str) -> tuple[MessagePart, MessagePart]:
    """Return what the parts of a stream, cut at ``cuts``, and its end say."""
    places = sorted({min(cut, len(text)) for cut in cuts})
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    stream = reader(wanted, **parsers)
    parts = [stream.feed(piece) for piece in pieces[:-1]]  # the rest comes with the end
    last, whole = stream.end(text)
    return joined([*parts, last]), whole


@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("call_format", WRITERS)
def test_every_format_is_read(call_format: str, calls: Any) -> None:
    """What was said before the calls, their names and their arguments."""
    message = reader(reading(call_format)).read(WRITERS[call_format](calls))
    assert shown(message) == ("" if call_format in SILENT else SAID, "", calls)
    assert len({call.call_id for call in message.calls}) == len(calls)
    assert all(call.call_id.startswith("call_") for call in message.calls)


@pytest.mark.parametrize("calls", [CALLS["two"], CALLS["same"]], ids=["two", "same"])
@pytest.mark.parametrize("call_format", WRITERS)
@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(0, 600), max_size=30))
def test_a_stream_says_the_same_however_it_is_cut(call_format: str, calls: Any, cuts: list[int]) -> None:
    """Its parts together are the message of the whole output, and so is what it ends with."""
    text = WRITERS[call_format](calls)
    parts, whole = streamed(reading(call_format), text, cuts)
    assert shown(parts) == ("" if call_format in SILENT else SAID, "", calls)
    assert parts == whole


@pytest.mark.parametrize("call_format", sorted(set(WRITERS) - {JSON_FORMAT}))
def test_token_by_token_most_of_it_comes_before_the_end(call_format: str) -> None:
    """A stream is no answer that comes as a whole at last."""
    text = WRITERS[call_format]([RUN])
    stream = reader(reading(call_format))
    before = joined([stream.feed(text[i : i + 4]) for i in range(0, len(text), 4)])
    assert [call.name for call in before.calls] == ["run_sql"]
    if call_format != "pythonic":  # SGLang reads such a list at its end
        assert before.calls[0].arguments


def test_one_call_at_most_where_more_are_not_wanted() -> None:
    """Without parallel calls, and where a certain function is called."""
    text = WRITERS["hermes"]([RUN, LIST])
    for wanted in (reading("hermes", parallel=False), reading("hermes", required=True, function="run_sql")):
        parts, whole = streamed(wanted, text, [7, 60, 200])
        assert shown(parts) == shown(whole) == shown(reader(wanted).read(text)) == (SAID, "", [RUN])


def test_text_without_calls_is_text() -> None:
    """As it is, but for white space around it."""
    text = " SELECT a < b FROM [t]\n\nand so on <b> "
    for call_format in WRITERS:
        parts, _ = streamed(reading(call_format), text, [3, 11, 12, 20])
        if call_format != JSON_FORMAT:
            assert shown(parts) == (text.strip(), "", [])
        assert shown(reader(reading(call_format)).read(text)) == (text.strip(), "", [])


def test_thinking_is_kept_apart() -> None:
    """Before text and before calls, and left in the text where the client wants it there."""
    text = "<think>\nOne <b> two\n</think>\n\n" + WRITERS["hermes"]([RUN])
    parsers = {"tool_call_parser": "hermes", "reasoning_parser": "qwen3"}
    for cuts in ([], [2, 9], list(range(len(text)))):
        parts, whole = streamed(reading(), text, cuts, **parsers)
        assert shown(parts) == shown(whole) == (SAID, "One <b> two", [RUN])
    left = reader(reading(reasoning=False), **parsers).read(text)
    assert shown(left) == (f"<think>\nOne <b> two\n</think>\n\n{SAID}", "", [RUN])
    alone = Reading()
    parts, _ = streamed(alone, "<think>a</think>b", [3, 8, 12], **parsers)
    assert shown(parts) == ("b", "a", [])


def test_thinking_that_is_not_to_be_streamed_comes_at_once() -> None:
    """As with SGLang's stream_reasoning."""
    stream = reader(Reading(whole_reasoning=True), reasoning_parser="qwen3")
    parts = [stream.feed(piece) for piece in ("<think>", "one ", "two ", "</think>", "answer ")]
    assert [part.reasoning for part in parts if part.reasoning] == ["one two"]


def test_a_call_that_was_cut_off_is_no_text_of_a_stream() -> None:
    """Its beginning was streamed; the whole output, which has no call, adds nothing."""
    for call_format in ("hermes", JSON_FORMAT):
        text = WRITERS[call_format]([RUN])[:-40]
        parts, whole = streamed(reading(call_format), text, [*range(len(text))])
        assert parts == whole
        assert [call.name for call in parts.calls] == ["run_sql"]
        assert parts.content == ("" if call_format == JSON_FORMAT else SAID)
        assert not reader(reading(call_format)).read(text).calls


def test_ids_are_numbered_where_the_model_expects_it() -> None:
    """Kimi's count on from the calls of the conversation so far."""
    text = WRITERS["kimi_k2"]([RUN, LIST])
    message = reader(reading(earlier_calls=2), tool_call_parser="kimi_k2").read(text)
    assert [call.call_id for call in message.calls] == ["functions.run_sql:2", "functions.list_tables:3"]
    parts, whole = streamed(reading(earlier_calls=2), text, [50, 90], tool_call_parser="kimi_k2")
    assert parts == whole == message


def test_a_parser_that_fails_leaves_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is lost by it."""

    def fails(*_: Any) -> Any:
        raise RuntimeError("broken")

    stream = reader(reading("hermes"))
    monkeypatch.setattr(stream._calls, "push", fails)
    assert not stream.feed("one two ")
    last, whole = stream.end("one two three ")
    assert shown(last) == shown(whole) == ("one two three", "", [])
    monkeypatch.setattr(stream._calls, "whole", fails)
    assert shown(stream.read(" one ")) == ("one", "", [])
