"""The simulated radix cache and the prompts it holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sched.cache.prefix import BLOCK_TOKENS
from sched.sim.prompt_chains import PIECE_TOKENS, PromptChains, piece_tokens, shared_tokens
from sched.sim.radix_cache import SimCache
from sched.traces.trace_format import TraceSegment, TraceWorkflow
from sched.workflow import SegmentKind
from tests.sched.sim.sim_factories import pieces, trace_call, trace_workflow

_NAMES = st.sampled_from(["a", "b", None])
_SEGMENTS = st.lists(
    st.tuples(st.sampled_from(list(SegmentKind)), _NAMES, st.integers(1, 200)), min_size=1, max_size=4
)


def test_the_least_recently_used_leaf_goes_first() -> None:
    """Eviction takes the older prompt's end first and never a part of what is referred to."""
    cache = SimCache()
    old, new = pieces(1, 256), pieces(2, 256)
    for prompt in (old, new):
        cache.acquire(prompt)
    cache.release(old, 0)
    cache.release(new, 0)
    cache.shrink(320)
    assert (cache.match(old), cache.match(new)) == (1, 4)
    cache.acquire(new)
    cache.shrink(0)
    assert (cache.match(old), cache.match(new)) == (0, 4)
    assert (cache.referenced, cache.evictable) == (256, 0)


def test_a_prefix_in_use_outlives_its_branches() -> None:
    """While one prompt runs, the end of another that shares its beginning can be evicted, no more."""
    cache = SimCache()
    long, short = pieces(1, 256), pieces(1, 128)
    cache.acquire(long)
    cache.acquire(short)
    cache.release(long, 0)
    assert (cache.referenced, cache.evictable) == (128, 128)
    cache.shrink(0)
    assert cache.match(long) == 2


def test_outputs_stay_until_they_are_the_oldest() -> None:
    """A released request's output takes room like its prompt, and is evicted before it."""
    cache = SimCache()
    prompt = pieces(1, 128)
    cache.acquire(prompt)
    cache.release(prompt, 50)
    assert cache.evictable == 178
    cache.shrink(170)
    assert (cache.evictable, cache.match(prompt)) == (128, 2)


@given(
    st.lists(
        st.tuples(st.sampled_from(["take", "drop", "shrink"]), st.integers(0, 3), st.integers(1, 6)),
        max_size=40,
    )
)
def test_the_cache_counts_what_it_holds(steps: list[tuple[str, int, int]]) -> None:
    """However prompts come and go, those in use are whole, and counts are right."""
    cache, held = SimCache(), list[tuple[int, ...]]()
    for act, family, length in steps:
        prompt = pieces(family, length * PIECE_TOKENS)
        if act == "take":
            cache.acquire(prompt)
            held.append(prompt)
        elif act == "drop" and held:
            cache.release(held.pop(family % len(held)), 0)
        elif act == "shrink":
            cache.shrink(length * PIECE_TOKENS)
            assert cache.evictable <= length * PIECE_TOKENS
        everything = {piece for prompt in held for piece in prompt}
        assert all(cache.match(prompt) == len(prompt) for prompt in held)
        assert cache.referenced == len(everything) * PIECE_TOKENS
        assert cache.evictable >= 0


@given(first=_SEGMENTS, second=_SEGMENTS, same_workflow=st.booleans())
def test_chains_share_exactly_what_prompts_share(
    first: list[tuple[SegmentKind, str | None, int]],
    second: list[tuple[SegmentKind, str | None, int]],
    same_workflow: bool,
) -> None:
    """Blocks agree to the last full block of the common prefix, pieces never go beyond it."""

    def written(workflow: str, call: int, parts: list[tuple[SegmentKind, str | None, int]]) -> list[object]:
        tokens: list[object] = []
        for place, (kind, name, count) in enumerate(parts):
            scope = "" if kind in (SegmentKind.TEMPLATE, SegmentKind.SCHEMA) else workflow
            text = (kind, name, scope) if name else (workflow, call, place)
            tokens += [(text, i) for i in range(count)]
        return tokens

    other = "w0" if same_workflow else "w1"
    one, two = written("w0", 0, first), written(other, 1, second)
    common = next(
        (i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
    )
    chains = PromptChains()
    prompts = []
    for workflow, call_id, parts in (("w0", 0, first), (other, 1, second)):
        call = trace_call(call_id, segments=tuple(TraceSegment(*part) for part in parts))
        prompt = chains.prompt(trace_workflow(call, workflow_id=workflow), call)
        assert sum(map(piece_tokens, prompt.pieces)) == call.prompt_tokens
        assert len(prompt.blocks) == call.prompt_tokens // BLOCK_TOKENS
        prompts.append(prompt)
    blocks = len(set(prompts[0].blocks) & set(prompts[1].blocks))
    shared = set(prompts[0].pieces) & set(prompts[1].pieces)
    assert blocks == common // BLOCK_TOKENS
    assert common - PIECE_TOKENS < sum(map(piece_tokens, shared)) <= common


def test_shared_tokens_are_exact_at_segment_ends() -> None:
    """A template of 213 tokens that returns is cached to the token, a question never."""
    segments = (
        TraceSegment(SegmentKind.TEMPLATE, "t", 213),
        TraceSegment(SegmentKind.SCHEMA, "shop", 100),
        TraceSegment(SegmentKind.QUESTION, "q", 70),
    )
    workflows: list[TraceWorkflow] = [
        trace_workflow(trace_call(0, segments=segments), workflow_id=name) for name in ("w0", "w1")
    ]
    assert [cached for _, cached in shared_tokens(workflows)] == [0, 313]
