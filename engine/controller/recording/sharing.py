"""What prompts share, told by their tokens: the segments of recorded traces (``traces/README.md``)."""

from __future__ import annotations

import itertools
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from xxhash import xxh3_64_intdigest

from engine.controller.prompt_encoder import EncodedPrompt
from engine.wire.token_ids import TOKEN_BYTES
from sched.cache.prefix import BLOCK_TOKENS
from sched.traces.trace_format import TraceSegment
from sched.workflow import SegmentKind

_SHARED_BY_ALL = frozenset({SegmentKind.TEMPLATE, SegmentKind.SCHEMA})
_MOST_BLOCKS = 50_000


@dataclass(frozen=True, slots=True)
class Outline:
    """A prompt without its tokens: ``ends`` maps the end of each part to a hash of all up to there.

    Parts are the segments of a prompt and its full blocks (``blocks``, as in ``EncodedPrompt``).  ``kinds``
    maps the end of each segment to its kind.  ``token_ids`` is empty unless text is wanted.
    """

    ends: dict[int, int]
    kinds: dict[int, SegmentKind]
    blocks: tuple[int, ...]
    token_ids: bytes = b""

    @classmethod
    def of(cls, prompt: EncodedPrompt, *, keep_tokens: bool = False) -> Outline:
        """Return the outline of ``prompt``; empty segments are passed over."""
        # Of two segments that end at one place the first is the one with tokens.
        kinds = dict(reversed(list(zip(prompt.boundaries, prompt.kinds, strict=True))))
        kinds.pop(0, None)
        ends = {end: xxh3_64_intdigest(prompt.token_ids[: end * TOKEN_BYTES]) for end in kinds}
        ends |= {(i + 1) * BLOCK_TOKENS: block for i, block in enumerate(prompt.blocks)}
        ids = prompt.token_ids if keep_tokens else b""
        return cls(dict(sorted(ends.items())), dict(sorted(kinds.items())), prompt.blocks, ids)

    @property
    def bare(self) -> bool:
        """Whether nothing is known of its structure: the prompt of an agent outside."""
        return next(iter(self.kinds.values())) not in _SHARED_BY_ALL


class Sharing:
    """Cuts prompts where their sharing changes.

    Segments known as templates and schemas stay as they are.  The rest is cut where prompts of one workflow
    part.  Of a bare prompt the beginning that an earlier workflow also began with counts as a template; the
    latest beginnings are remembered by their blocks, at most ``most_blocks``.  The first prompt with such a
    beginning is written before anybody knows.
    """

    def __init__(self, most_blocks: int = _MOST_BLOCKS) -> None:
        self._most = most_blocks
        self._cuts: OrderedDict[int, bool] = OrderedDict()

    def segments(self, outlines: Sequence[Outline]) -> list[tuple[TraceSegment, ...]]:
        """Return the segments of the prompts of one workflow."""
        users = Counter(mark for outline in outlines for mark in outline.ends.values())
        known = [self._known_tokens(outline) for outline in outlines]
        for outline, tokens in zip(outlines, known, strict=True):
            self._remember(outline, users, tokens)
        segments = [
            self._cut(outline, users, tokens) for outline, tokens in zip(outlines, known, strict=True)
        ]
        while len(self._cuts) > self._most:
            self._cuts.popitem(last=False)
        return segments

    def _known_tokens(self, outline: Outline) -> int:
        """Return how many leading tokens of a bare prompt earlier workflows began with."""
        count = 0
        if outline.bare:
            while count < len(outline.blocks) and outline.blocks[count] in self._cuts:
                count += 1
        return count * BLOCK_TOKENS

    def _remember(self, outline: Outline, users: Counter[int], known: int) -> None:
        if not outline.bare:
            return
        following: int | None = None
        for block in reversed(outline.blocks):  # the beginning is forgotten last
            parts = following is None or users[following] < users[block]
            self._cuts[block] = self._cuts.get(block, False) or parts
            self._cuts.move_to_end(block)
            following = block
        if known:
            self._cuts[outline.blocks[known // BLOCK_TOKENS - 1]] = True

    def _cut(self, outline: Outline, users: Counter[int], known: int) -> tuple[TraceSegment, ...]:
        segments: list[TraceSegment] = []
        begun, kinds = 0, iter(outline.kinds.items())
        segment_end, kind = next(kinds)
        marks = [*outline.ends.items(), (0, 0)]
        for (end, mark), (_, following) in itertools.pairwise(marks):
            at_end = end == segment_end
            whole = kind in _SHARED_BY_ALL
            if at_end or (not whole and self._parts(end, mark, following, users, known)):
                cut_kind = SegmentKind.TEMPLATE if end <= known else kind
                named = whole or end <= known or users[mark] > 1
                segments.append(TraceSegment(cut_kind, f"{mark:016x}" if named else None, end - begun))
                begun = end
            if at_end:
                segment_end, kind = next(kinds, (0, kind))
        return tuple(segments)

    def _parts(self, end: int, mark: int, following: int, users: Counter[int], known: int) -> bool:
        """Whether prompts that agree up to ``end`` may part there."""
        if end <= known:
            return self._cuts.get(mark, False)
        return users[mark] > 1 and users[following] < users[mark]
