"""Prompts of a replay: token ids that the trace alone tells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.bench.replay.token_prompts import IDS, scaled, token_ids
from sched.errors import ConfigError
from sched.sim.prompt_chains import PromptChains, piece_tokens
from sched.traces.trace_format import TraceCall, TraceSegment, TraceWorkflow
from sched.workflow import SegmentKind

_SEGMENTS = st.builds(
    TraceSegment, st.sampled_from(SegmentKind), st.sampled_from(["a", "b", None]), st.integers(1, 150)
)
_PROMPTS = st.lists(_SEGMENTS, min_size=1, max_size=4).map(tuple)
_WORKFLOW_IDS = st.sampled_from(["w", "v"])


def _alone(name: str, number: int, segments: tuple[TraceSegment, ...]) -> TraceWorkflow:
    call = TraceCall(id=number, stage="s", segments=segments, output=1)
    return TraceWorkflow(id=name, arrival=0.0, calls=(call,))


@given(_WORKFLOW_IDS, _PROMPTS, _WORKFLOW_IDS, _PROMPTS)
def test_prompts_share_what_the_simulator_thinks(
    one: str, first: tuple[TraceSegment, ...], other: str, second: tuple[TraceSegment, ...]
) -> None:
    """Two prompts begin with the same ids as far as their simulated chains agree, and hardly further."""
    chains, made, pieces = PromptChains(), [], []
    for number, (name, segments) in enumerate(((one, first), (other, second))):
        workflow = _alone(name, number, segments)
        made.append(token_ids(workflow, workflow.calls[0]))
        pieces.append(chains.prompt(workflow, workflow.calls[0]).pieces)
        assert len(made[-1]) == workflow.calls[0].prompt_tokens
    both = min(map(len, made))
    same = made[0][:both] == made[1][:both]
    common = both if same.all() else int(np.argmin(same))
    agreed = sum(piece_tokens(p) for p, q in zip(*pieces, strict=False) if p == q)
    # A piece holds 64 tokens, so prompts may agree within one; unlike texts agree by chance alone.
    assert agreed <= common < agreed + 64 + 10


def test_prompts_are_the_same_everywhere() -> None:
    """The ids depend on nothing but the trace: these were made by another process."""
    segments = (
        TraceSegment(SegmentKind.TEMPLATE, "revise", 3),
        TraceSegment(SegmentKind.QUESTION, None, 3),
    )
    workflow = _alone("7:x", 0, segments)
    assert token_ids(workflow, workflow.calls[0]).tolist() == [493, 591, 1085, 805, 385, 1634]


@given(_PROMPTS)
def test_ids_are_in_every_vocabulary(segments: tuple[TraceSegment, ...]) -> None:
    """No id is special or unknown to the embedded model."""
    workflow = _alone("w", 0, segments)
    ids = token_ids(workflow, workflow.calls[0])
    assert IDS[0] <= ids.min() <= ids.max() < IDS[1]


def test_scaling_keeps_all_but_lengths() -> None:
    """Lengths in tokens shrink, none to nothing; ids, stages, order and SQL time stay."""
    segments = (TraceSegment(SegmentKind.TEMPLATE, "t", 1000), TraceSegment(SegmentKind.QUESTION, None, 3))
    call = TraceCall(id=3, stage="s", segments=segments, output=7, max_new_tokens=64, sql=0.5, join="j")
    (small,) = scaled([TraceWorkflow(id="w", arrival=1.0, calls=(call,), decided={"j": 1})], 0.1)
    (made,) = small.calls
    assert [s.tokens for s in made.segments] == [100, 1]
    assert made.prompt_tokens == 101
    assert (made.output, made.limit_tokens) == (1, 6)
    assert (made.id, made.stage, made.sql, made.join) == (3, "s", 0.5, "j")
    assert small.decided == {"j": 1}
    with pytest.raises(ConfigError, match="--token-scale"):
        scaled([], 0.0)
