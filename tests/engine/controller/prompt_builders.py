"""Builders of prompts."""

from __future__ import annotations

from array import array

from engine.controller.prompt_encoder import EncodedPrompt
from sched.cache.prefix import block_chain
from sched.workflow import SegmentKind


def segmented(*parts: tuple[SegmentKind, int, int]) -> EncodedPrompt:
    """Return a prompt of segments: kind, first token id, tokens."""
    ids = [first + i for _, first, tokens in parts for i in range(tokens)]
    ends = [sum(tokens for *_, tokens in parts[: i + 1]) for i in range(len(parts))]
    packed = array("i", ids).tobytes()
    return EncodedPrompt(packed, tuple(ends), tuple(kind for kind, *_ in parts), block_chain(packed))
