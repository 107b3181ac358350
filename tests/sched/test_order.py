"""The total order of waiting calls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sched.order import queue_position


@given(
    keys=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20), data=st.data()
)
def test_the_order_is_total(keys: list[float], data: st.DataObject) -> None:
    """Whatever order calls come in, sorting gives one result: by key, equal keys by sequence."""
    calls = [(key, sequence) for sequence, key in enumerate(keys)]
    shuffled = data.draw(st.permutations(calls))
    by_position = sorted(shuffled, key=lambda call: queue_position(*call))
    assert by_position == sorted(calls, key=lambda call: call[0]), "Python's sort is stable"


def test_the_priority_is_zero_unless_asked_for() -> None:
    """A call without one stands among those that ask for 0, behind 1 and before -1."""
    assert queue_position(5.0, 1) == queue_position(5.0, 1, 0)
    assert queue_position(5.0, 1, 1) < queue_position(5.0, 1) < queue_position(5.0, 1, -1)
