"""What a model's chat template puts around a prompt whose segments stay cacheable prefixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sched.workflow import Segment, SegmentKind

_INSTRUCTIONS = frozenset({SegmentKind.TEMPLATE, SegmentKind.SCHEMA})


@dataclass(frozen=True, slots=True)
class PromptFrame:
    """The template's text: ``opening`` the instructions, ``between`` them and the question, and ``closing``.

    ``bare`` opens a prompt that has no instructions.  Instructions are the leading segments of kind template
    and schema: they are the system's message (or the beginning of the user's), what follows is the user's.
    """

    opening: str
    between: str
    bare: str
    closing: str

    def around(self, segments: Sequence[Segment]) -> list[Segment]:
        """Return ``segments`` in the frame, as many and of the same kinds where both messages have any.

        Space at the end of a message is left out, as most templates do.
        """
        count = next((n for n, s in enumerate(segments) if s.kind not in _INSTRUCTIONS), len(segments))
        framed = list(segments)
        if count:
            framed[count - 1] = _stripped(framed[count - 1], self.between)
        framed[:1] = [_after(self.opening if count else self.bare, framed[0])]
        if count == len(framed):
            return [*framed, Segment(SegmentKind.CONTEXT, self.closing)]
        framed[-1] = _stripped(framed[-1], self.closing)
        return framed


@dataclass(frozen=True, slots=True)
class PromptFrames:
    """The frame for answers before which a model may think, where it can, and for those without."""

    thinking: PromptFrame
    direct: PromptFrame

    @property
    def model_thinks(self) -> bool:
        """Whether the model can think before its answer."""
        return self.thinking != self.direct


def _after(text: str, segment: Segment) -> Segment:
    return replace(segment, text=text + segment.text)


def _stripped(segment: Segment, text: str) -> Segment:
    return replace(segment, text=segment.text.rstrip() + text)
