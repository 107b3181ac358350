"""A model's thinking, apart from its answer.

Each model family marks its thinking in its own way: with a pair of tags, or in channels of which one is the
answer (``thinking_marks.py``).  Every text is read in one pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from plugins.text2sql.reading.thinking_marks import ALL_MARKS, CHANNELED, MARKS, THINK, Marks

_USES_THINK = frozenset(
    (
        *("deepseek-r1", "deepseek-v3", "deepseek-v4", "deepseek-v41", "dots", "gigachat35", "glm45"),
        *("granite_thinking_parser", "interns1", "iquest_q1", "kimi_k2", "ling3", "mimo", "minimax"),
        *(
            "minimax-append-think",
            "nanbeige",
            "nemotron_3",
            "poolside_v1",
            "qwen3",
            "qwen3-thinking",
            "step3",
        ),
        "step3p5",
    )
)
REASONING_PARSERS = CHANNELED | _USES_THINK | set(MARKS)
"""SGLang's names of the ways in which models mark their thinking."""

# In channels, a header such as `<|start|>assistant<|channel|>final<|message|>` precedes each text.
_CHANNEL_MARK = re.compile(
    r"(?P<header>(?:\A[^<\n]{1,100})?(?:<\|(?:start|channel|constrain)\|>[^<\n]{0,100}){0,4}<\|message\|>)"
    r"|<\|(?:end|return|call|eom|eot)\|>"
)
_HEADER_END = "<|message|>"
_ANSWERING = re.compile(r"<\|channel\|>\s*final\b|\bto=user\b")
_NAMES_CHANNEL = re.compile(r"<\|channel\|>|\bto=")
# What is left of the channels where special tokens were not written out.
_BARE_CHANNELS = re.compile(r"\s*analysis(?=[\sA-Z])")
_BARE_FINAL = "assistantfinal"


def split_thinking(text: str, reasoning_parser: str | None = None) -> tuple[str, str]:
    """Return the thinking in ``text`` and the answer, both without their marks and surrounding space.

    An opening tag that is never closed makes all that follows thinking; a closing tag that was never opened
    (the prompt may have opened it) all that precedes.  Tags may be nested.  Of channels, only the final one
    is the answer.  ``reasoning_parser``, one of ``REASONING_PARSERS``, chooses which marks count; without
    it all do.

    Raises:
        ValueError: ``reasoning_parser`` is unknown.
    """
    if reasoning_parser is not None and reasoning_parser not in REASONING_PARSERS:
        raise ValueError(f"unknown reasoning parser: {reasoning_parser!r}")
    thoughts: list[str] = []
    if reasoning_parser is None or reasoning_parser in CHANNELED:
        text = _without_channels(text, thoughts)
    if reasoning_parser not in CHANNELED:
        text = _without_tags(text, thoughts, reasoning_parser)
    return "\n".join(thought.strip() for thought in thoughts if thought.strip()), text.strip()


def _without_channels(text: str, thoughts: list[str]) -> str:
    """Return what ``text`` says in the final channel; the rest goes to ``thoughts``."""
    if _BARE_CHANNELS.match(text) and _BARE_FINAL in text:
        thought, _, answer = text.rpartition(_BARE_FINAL)
        thoughts.append(thought)
        return answer
    if _HEADER_END not in text:
        return text
    marks = list(_CHANNEL_MARK.finditer(text))
    headers = [mark["header"] for mark in marks if mark["header"]]
    if not headers:
        return text  # `<|end|>` alone ends the answers of other models
    answers: list[str] = []
    answering = not any(map(_answers, headers))
    start = 0
    for mark in marks:
        (answers if answering else thoughts).append(text[start : mark.start()])
        answering = not mark["header"] or _answers(mark["header"])
        start = mark.end()
    (answers if answering else thoughts).append(text[start:])
    return "\n".join(answers)


def _answers(header: str) -> bool:
    return not _NAMES_CHANNEL.search(header) or _ANSWERING.search(header) is not None


@lru_cache
def _tags(reasoning_parser: str | None) -> tuple[tuple[Marks, ...], re.Pattern[str]]:
    """Return the pairs that count, and a pattern whose groups ``open0``, ``close0`` … tell their tags.

    The groups are empty, behind the tags: a pattern of which every way begins with a certain character passes
    over the others many times as fast.
    """
    pairs = ALL_MARKS if reasoning_parser is None else (MARKS.get(reasoning_parser, THINK),)
    groups = (
        f"{pair.opening_pattern()}(?P<open{index}>)|{pair.closing_pattern()}(?P<close{index}>)"
        for index, pair in enumerate(pairs)
    )
    return pairs, re.compile("|".join(groups), re.IGNORECASE)


def _without_tags(text: str, thoughts: list[str], reasoning_parser: str | None) -> str:
    """Return what ``text`` says outside tags; the rest goes to ``thoughts``.

    Within a block only tags of its own pair count.  Of a block that is left open by a nested opening tag, the
    last closing tag is the end: models name the tag in their thinking.
    """
    pairs, pattern = _tags(reasoning_parser)
    answers: list[str] = []
    start = 0
    block: _Block | None = None
    for tag in pattern.finditer(text):
        name = tag.lastgroup or ""
        index = int(name.removeprefix("open").removeprefix("close"))
        if block is None and name.startswith("open"):
            answers.append(text[start : tag.start()])
            block = _Block(index, tag.end())
        elif block is None:
            if not pairs[index].shared_end:
                thoughts += [*answers, text[start : tag.start()]]
                answers, start = [], tag.end()
        elif index == block.pair:
            block.take(tag, name.startswith("open"))
            if block.depth == 0:
                thoughts.append(text[block.start : tag.start()])
                start, block = tag.end(), None
    if block is None:
        answers.append(text[start:])
    elif block.closed is None:
        thoughts.append(text[block.start :])
    else:
        end, again = block.reopened or (len(text), len(text))
        thoughts += [text[block.start : block.closed[0]], text[again:]]
        answers.append(text[block.closed[1] : end])
    return "\n".join(answers)


@dataclass(slots=True)
class _Block:
    """A block of thinking that is being read; its last closing tag and the first opening one after it."""

    pair: int
    start: int
    depth: int = 1
    closed: tuple[int, int] | None = None
    reopened: tuple[int, int] | None = None

    def take(self, tag: re.Match[str], opens: bool) -> None:
        """Count a tag of the block's own pair."""
        self.depth += 1 if opens else -1
        if not opens:
            self.closed, self.reopened = tag.span(), None
        elif self.reopened is None:
            self.reopened = tag.span()
