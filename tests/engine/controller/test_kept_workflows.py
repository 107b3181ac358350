"""The latest ended workflows are in memory, as many as its bytes hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.controller.kept_workflows import MOST_KEPT, KeptWorkflows

_ADDED = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40), st.integers(0, 10)), max_size=30)


@given(_ADDED, st.integers(0, 100))
def test_the_latest_that_fit_are_kept(added: list[tuple[str, int, int]], room: int) -> None:
    """Whatever comes, also an id again, or one that is larger than the room."""
    kept = KeptWorkflows(room)
    expected: dict[str, tuple[bytes, bytes]] = {}
    gone: set[str] = set()
    for name, line, summary in added:
        kept.add(name, b"x" * line, b"y" * summary)
        expected.pop(name, None)
        expected[name] = b"x" * line, b"y" * summary
        gone.discard(name)
        while sum(len(part) for parts in expected.values() for part in parts) > room:
            oldest = next(iter(expected))
            del expected[oldest]
            gone.add(oldest)
        assert kept.size == sum(len(part) for parts in expected.values() for part in parts)
        assert len(kept) == len(expected)
    assert {name: kept.line(name) for name in "abcdef"} == {
        name: expected[name][0] if name in expected else None for name in "abcdef"
    }
    assert {name for name in "abcdef" if kept.has_left(name)} == gone
    for limit in (0, 2, 100):
        assert kept.summaries(limit) == [parts[1] for parts in reversed(expected.values())][:limit]


def test_their_number_is_bounded_too() -> None:
    """Small ones don't pile up."""
    kept = KeptWorkflows(10**9)
    for number in range(MOST_KEPT + 5):
        kept.add(f"w{number}", b"x", b"y")
    assert len(kept) == MOST_KEPT
    assert kept.size == 2 * MOST_KEPT
    assert [kept.has_left(f"w{number}") for number in (0, 4, 5)] == [True, True, False]
