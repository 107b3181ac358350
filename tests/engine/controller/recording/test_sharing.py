"""What recorded prompts share: the segments of a trace, told by tokens."""

from __future__ import annotations

from engine.controller.prompt_encoder import prompt_from_ids
from engine.controller.recording.sharing import Outline, Sharing
from sched.traces.trace_format import TraceSegment
from sched.workflow import SegmentKind
from tests.engine.controller.prompt_builders import segmented as prompt

TEMPLATE, CONTEXT = SegmentKind.TEMPLATE, SegmentKind.CONTEXT


def lengths(segments: tuple[TraceSegment, ...]) -> list[tuple[str, int, bool]]:
    """Return kind, tokens and whether it is shared, of each segment."""
    return [(s.kind, s.tokens, s.shared is not None) for s in segments]


def test_known_segments_are_shared_by_content() -> None:
    """Equal templates have one name, another one has another; a context of one prompt has none."""
    one, two, other = Sharing().segments(
        [
            Outline.of(prompt((TEMPLATE, 0, 100), (CONTEXT, 500, 30))),
            Outline.of(prompt((TEMPLATE, 0, 100), (CONTEXT, 900, 40))),
            Outline.of(prompt((TEMPLATE, 7, 100), (CONTEXT, 500, 30))),
        ]
    )
    assert lengths(one) == [("template", 100, True), ("context", 30, False)]
    assert lengths(two) == [("template", 100, True), ("context", 40, False)]
    assert one[0] == two[0] != other[0]


def test_prompts_of_a_workflow_are_cut_where_they_part() -> None:
    """A conversation that grows shares all it had, up to a block."""
    ids = list(range(400))
    short, long = Sharing().segments([Outline.of(prompt_from_ids(ids[:n])) for n in (200, 400)])
    assert lengths(short) == [("context", 192, True), ("context", 8, False)]
    assert lengths(long) == [("context", 192, True), ("context", 208, False)]
    assert short[0] == long[0]


def test_the_beginning_that_agents_share_is_a_template() -> None:
    """From the second workflow on it is known, and all later ones share it."""
    sharing = Sharing()
    system = list(range(320))
    made = [
        sharing.segments([Outline.of(prompt_from_ids([*system, *range(1000 * n, 1000 * n + 50)]))])[0]
        for n in (1, 2, 3)
    ]
    assert lengths(made[0]) == [("context", 370, False)]
    assert lengths(made[1]) == lengths(made[2]) == [("template", 320, True), ("context", 50, False)]
    assert made[1][0] == made[2][0]
    few = Sharing(most_blocks=4)
    few.segments([Outline.of(prompt_from_ids(system))])
    assert lengths(few.segments([Outline.of(prompt_from_ids(system))])[0]) == [
        ("template", 128, True),
        ("context", 192, False),
    ]
