"""Prompts of a trace as chains of numbers: equal prefixes give equal numbers, without any tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sched.cache.prefix import BLOCK_TOKENS
from sched.traces.trace_format import TraceCall, TraceSegment, TraceWorkflow
from sched.workflow import SegmentKind

PIECE_TOKENS = 64
"""Longest piece; pieces end where segments end, so that what is cached is exact to the token there."""

_SHARED_BY_ALL = (SegmentKind.TEMPLATE, SegmentKind.SCHEMA)
_INDEX_BITS = 20
_SIZE_BITS = 8


class PromptChain(NamedTuple):
    """A prompt.  ``blocks`` is what the dispatcher's prefix index reads (full blocks of 32 tokens),
    ``pieces`` what a simulated radix cache holds (:func:`piece_tokens` tells their lengths)."""

    blocks: tuple[int, ...]
    pieces: tuple[int, ...]


def piece_tokens(piece: int) -> int:
    """Return the tokens of a piece."""
    return piece & ((1 << _SIZE_BITS) - 1)


class PromptChains:
    """Numbers the prefixes it meets.

    A block is told by the segment that holds its last token, by the exact segments before that one, and
    by its place in the prompt; these three tell all tokens up to its end.
    """

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, object], int] = {}

    def prompt(self, workflow: TraceWorkflow, call: TraceCall) -> PromptChain:
        """Return the chains of a call's prompt."""
        blocks: list[int] = []
        pieces: list[int] = []
        before, tokens = 0, 0
        for place, segment in enumerate(call.segments):
            inside = self._node(before, identity(segment, workflow.id, call.id, place))
            first, tokens = tokens // BLOCK_TOKENS, tokens + segment.tokens
            base = inside << _INDEX_BITS
            blocks.extend(range(base + first, base + tokens // BLOCK_TOKENS))
            pieces.extend(_pieces(base, segment.tokens))
            before = self._node(inside, segment.tokens)
        return PromptChain(tuple(blocks), tuple(pieces))

    def _node(self, parent: int, label: object) -> int:
        return self._nodes.setdefault((parent, label), len(self._nodes) + 1)


def _pieces(base: int, tokens: int) -> Iterator[int]:
    full, rest = divmod(tokens, PIECE_TOKENS)
    start = base << _SIZE_BITS | PIECE_TOKENS
    step = 1 << _SIZE_BITS
    yield from range(start, start + full * step, step)
    if rest:
        yield (base + full) << _SIZE_BITS | rest


def identity(segment: TraceSegment, workflow_id: str, call_id: int, place: int) -> object:
    """Return what tells the text that the ``place``-th ``segment`` of a call's prompt is the beginning of."""
    if segment.shared is None:
        return workflow_id, call_id, place
    if shared_by_all(segment):
        return segment.kind.value, segment.shared
    return workflow_id, segment.kind.value, segment.shared


def shared_by_all(segment: TraceSegment) -> bool:
    """Return whether ``segment`` is shared between workflows: a template or a schema."""
    return segment.kind in _SHARED_BY_ALL


def shared_tokens(workflows: Iterable[TraceWorkflow]) -> Iterator[tuple[TraceCall, int]]:
    """Yield each call, in order, with the prompt tokens cached if every prefix seen before still were."""
    chains, seen = PromptChains(), set[int]()
    for workflow in workflows:
        for call in workflow.calls:
            pieces = chains.prompt(workflow, call).pieces
            # Pieces hold their whole prefix, so those seen are the leading ones.
            yield call, sum(piece_tokens(piece) for piece in pieces if piece in seen)
            seen.update(pieces)
