"""A chat template's text around a prompt's segments."""

from __future__ import annotations

import pytest

from engine.controller.prompt_frame import PromptFrame
from sched.workflow import Segment, SegmentKind

FRAME = PromptFrame("<s>", "</s><u>", "<u>", "</u><a>")
TEMPLATE = Segment(SegmentKind.TEMPLATE, "Do it.\n\n")
SCHEMA = Segment(SegmentKind.SCHEMA, "Schema: t\n")
QUESTION = Segment(SegmentKind.QUESTION, "Question: q\n")
CONTEXT = Segment(SegmentKind.CONTEXT, "SQL: ")


@pytest.mark.parametrize(
    ("segments", "texts"),
    [
        ([TEMPLATE, QUESTION, CONTEXT], ["<s>Do it.</s><u>", "Question: q\n", "SQL:</u><a>"]),
        (
            [TEMPLATE, SCHEMA, QUESTION, CONTEXT],
            ["<s>Do it.\n\n", "Schema: t</s><u>", "Question: q\n", "SQL:</u><a>"],
        ),
        ([QUESTION], ["<u>Question: q</u><a>"]),
        ([CONTEXT, TEMPLATE], ["<u>SQL: ", "Do it.</u><a>"]),
        ([TEMPLATE], ["<s>Do it.</s><u>", "</u><a>"]),
        ([TEMPLATE, SCHEMA], ["<s>Do it.\n\n", "Schema: t</s><u>", "</u><a>"]),
    ],
)
def test_the_leading_instructions_are_the_systems(segments: list[Segment], texts: list[str]) -> None:
    """The rest is the user's; kinds stay, and what only instructions make is the answer's beginning."""
    framed = FRAME.around(segments)
    assert [segment.text for segment in framed] == texts
    assert [segment.kind for segment in framed][: len(segments)] == [segment.kind for segment in segments]


def test_calls_that_share_a_beginning_share_it_in_the_frame() -> None:
    """All segments of the shared part are the same, so that prefixes stay cached."""
    one = FRAME.around([TEMPLATE, SCHEMA, QUESTION, CONTEXT])
    other = FRAME.around([TEMPLATE, SCHEMA, Segment(SegmentKind.QUESTION, "Question: r\n"), CONTEXT])
    assert one[:2] == other[:2]
