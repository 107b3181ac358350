"""A text cut in pieces that don't depend on how it grew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.sglang.text_pieces import TextPieces

MARKS = [
    "<|a_b|>",
    "<｜c▁d｜>",
    "</tool_call>",
    "<parameter=q>",
    "[TOOL_CALLS]",
    "<",
    "[",
    "<|",
    "word",
    " ",
    "é",
    "\n",
    "]",
]


def pieces_of(chunks: list[str], coarse: bool) -> list[str]:
    pieces = TextPieces()
    pieces.coarse = coarse
    return [piece for chunk in chunks for piece in pieces.take(chunk)] + list(pieces.rest())


@given(st.lists(st.sampled_from(MARKS) | st.text(max_size=5), max_size=40), st.booleans(), st.integers(1, 9))
def test_pieces_are_the_text_and_depend_on_nothing_else(parts: list[str], coarse: bool, size: int) -> None:
    """However it comes."""
    text = "".join(parts)
    pieces = pieces_of([text], coarse)
    assert "".join(pieces) == text
    assert pieces_of([text[i : i + size] for i in range(0, len(text), size)], coarse) == pieces


def test_marks_stay_whole_and_come_at_once() -> None:
    """A word comes when it has ended, and so does what only looked like a mark."""
    pieces = TextPieces()
    assert list(pieces.take("Say <|tool_")) == ["Say", " "]
    assert list(pieces.take("call|>x")) == ["<|tool_call|>"]
    assert list(pieces.take(" < 3, a[0]")) == ["x", " ", "<", " ", "3", ",", " ", "a", "[", "0", "]"]
    assert list(pieces.take("[TOOL_CALLS]")) == ["[TOOL_CALLS]"]
    assert list(pieces.rest()) == []
    pieces.coarse = True
    assert list(pieces.take('SELECT a FROM t", "')) == ["SELECT a FROM t", '"', ", ", '"']
