"""How well predictions held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sched.predict.accuracy import Errors


def test_nothing_is_claimed_without_predictions() -> None:
    """An empty window has no percentiles."""
    accuracy = Errors().accuracy()
    assert (accuracy.predictions, accuracy.median, accuracy.p90) == (0, None, None)


def test_errors_count_by_size_whatever_their_sign() -> None:
    """Ten errors of 1 to 10 tokens, half of them negative: the median is the 5th, P90 the 9th."""
    errors = Errors()
    for size in range(1, 11):
        errors.add(size if size % 2 else 0, 0 if size % 2 else size)
    accuracy = errors.accuracy()
    assert (accuracy.predictions, accuracy.median, accuracy.p90) == (10, 5, 9)


@given(sizes=st.lists(st.integers(-1000, 1000), min_size=1, max_size=60), window=st.integers(1, 40))
def test_percentiles_are_nearest_ranks_of_the_window(sizes: list[int], window: int) -> None:
    """At least half (nine tenths) of the latest errors are no larger, and a smaller one would be too few."""
    errors = Errors(window)
    for size in sizes:
        errors.add(0, size)
    latest = [abs(size) for size in sizes[-window:]]
    accuracy = errors.accuracy()
    assert accuracy.predictions == len(latest)
    for found, tenths in ((accuracy.median, 5), (accuracy.p90, 9)):
        assert found in latest
        assert sum(size <= found for size in latest) * 10 >= tenths * len(latest)
        assert sum(size < found for size in latest) * 10 < tenths * len(latest)
