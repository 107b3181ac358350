"""Values of all databases, as JSON has them."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.text2sql.databases.json_values import MAX_DEPTH, plain, weight


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        (2**63 - 1, 2**63 - 1),
        (2**64, str(2**64)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (Decimal("12.50"), 12.5),
        (Decimal("7"), 7),
        (Decimal("3.4166666666666667"), 3.4166666666666665),
        (Decimal("NaN"), "nan"),
        (Decimal("Infinity"), "inf"),
        (Decimal(2**70), str(2**70)),
        (Decimal("1E+400"), "1" + "0" * 400),
        (Decimal("9" * 5000), "9" * 5000),
        (Decimal("9" * 400 + ".5"), "9" * 400 + ".5"),
        (date(2025, 1, 31), "2025-01-31"),
        (datetime(2025, 1, 31, 8, 30), "2025-01-31T08:30:00"),
        (datetime(2025, 1, 31, 8, 30, tzinfo=UTC), "2025-01-31T08:30:00+00:00"),
        (time(8, 30), "08:30:00"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4.5), "P1DT2H3M4.5S"),
        (timedelta(seconds=-90), "-PT1M30S"),
        (timedelta(), "PT0S"),
        (b"\x00\xff", "00ff"),
        (memoryview(b"\x01"), "01"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([1, [Decimal("2.5"), None]], [1, [2.5, None]]),
        ((1, "a"), [1, "a"]),
        ({"a": date(2025, 1, 31), 7: b"\x00"}, {"a": "2025-01-31", "7": "00"}),
    ],
)
def test_every_type_has_its_form(value: Any, shown: Any) -> None:
    """As the table in the module says."""
    assert plain(value) == shown
    assert type(plain(value)) is type(shown)


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text() | st.binary()
    | st.dates() | st.datetimes() | st.times() | st.timedeltas() | st.uuids()
)  # fmt: skip


@given(st.recursive(LEAVES, lambda some: st.lists(some) | st.dictionaries(st.integers() | st.text(), some)))
def test_all_is_json(value: Any) -> None:
    """Without NaN and infinities, whatever is inside what."""
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == plain(value)


def nested(depth: int) -> Any:
    """Return a list in a list and so on."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_what_is_inside_a_value_weighs() -> None:
    """Whatever it is in; beyond the most nobody counts."""
    assert weight("abc", 10) == weight(b"abc", 10) == 3
    assert weight(7, 10) == weight(None, 10) == 8
    for within in (["x" * 90], ("x" * 90,), {"x" * 90}, {"x" * 90: 1}, {1: ["x" * 90]}, [[["x" * 90]]]):
        assert 90 < weight(within, 1000) < 200
    assert 100 < weight([["x" * 90]] * 1000, 100) < 100_000
    assert weight(list(range(1000)), 10_000) >= 8000


def test_what_is_nested_too_deeply_is_refused() -> None:
    """JSON's writers would fail at it."""
    assert json.loads(json.dumps(plain(nested(MAX_DEPTH)))) == nested(MAX_DEPTH)
    assert weight(nested(MAX_DEPTH), 10**6) > 0
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        weight(nested(MAX_DEPTH + 1), 10**6)
