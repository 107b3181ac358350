"""The values of all databases as JSON can hold them.

============================  =====================================================
in the database               in JSON
============================  =====================================================
integers                      numbers; beyond 64 bits text
numeric, decimal              a number: the nearest double, an integer if it has no fraction digits; beyond
                              these text
NaN, infinities               text: ``"nan"``, ``"inf"``, ``"-inf"``
booleans, texts, enums        as they are
dates and times               ISO 8601: ``"2025-01-31"``, ``"2025-01-31T08:30:00+00:00"``
intervals                     ISO 8601: ``"P1DT2H"``
UUIDs, network addresses      text
bytes                         hexadecimal
arrays, structs, JSON         lists and objects
============================  =====================================================
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

MAX_DEPTH = 100
"""Of arrays and objects within each other; JSON's readers and writers go down some hundreds."""
_SCALAR_BYTES = 8
_NESTED = (list, tuple, set, dict)
_MOST = 2**64
_LEAST = -(2**63)


def plain(value: Any) -> Any:
    """Return ``value`` as JSON can hold it; what is of no known type becomes text."""
    convert = _CONVERSIONS.get(type(value))
    if convert is not None:
        return convert(value)
    for known, convert in _CONVERSIONS.items():
        if isinstance(value, known):
            return convert(value)
    return str(value)


def weight(value: Any, most: int) -> int:
    """Return how many bytes ``value`` takes with all that is in it, texts in UTF-8.

    Beyond ``most`` nothing is counted.

    Raises:
        ValueError: arrays or objects are nested more than ``MAX_DEPTH`` deep.
    """
    if isinstance(value, str | bytes):
        return _length(value)
    total = _SCALAR_BYTES
    waiting = [(value, 1)] if isinstance(value, _NESTED) else []
    while waiting and total <= most:
        nested, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"a value is nested more than {MAX_DEPTH} deep")
        total += _SCALAR_BYTES * len(nested)
        if total <= most:
            parts = (*nested.keys(), *nested.values()) if isinstance(nested, dict) else nested
            total += sum(_length(part) for part in parts if isinstance(part, str | bytes))
            waiting += ((part, depth + 1) for part in parts if isinstance(part, _NESTED))
    return total


def _length(value: str | bytes) -> int:
    if isinstance(value, bytes) or value.isascii():
        return len(value)
    return len(value.encode(errors="replace"))


def _same(value: Any) -> Any:
    return value


def _integer(value: int) -> int | str:
    return value if _LEAST <= value < _MOST else format(Decimal(value), "f")


def _float(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _decimal(value: Decimal) -> int | float | str:
    if value.is_nan():
        return "nan"
    if value.is_infinite():
        return str(float(value))
    if value.as_tuple().exponent == 0:
        # Compared as it is: Python refuses to write an int of thousands of digits.
        return int(value) if _LEAST <= value < _MOST else f"{value:f}"
    number = float(value)
    return number if math.isfinite(number) else f"{value:f}"


def _interval(value: datetime.timedelta) -> str:
    sign, span = ("-", -value) if value < datetime.timedelta() else ("", value)
    hours, rest = divmod(span.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{span.microseconds:06}".rstrip("0") if span.microseconds else ""
    parts = ((hours, "H"), (minutes, "M"))
    time = "".join(f"{number}{unit}" for number, unit in parts if number)
    if seconds or fraction:
        time += f"{seconds}{fraction}S"
    days = f"{span.days}D" if span.days else ""
    return f"{sign}P{days}{'T' if time else ''}{time}" if days or time else "PT0S"


def _list(values: Any) -> list[Any]:
    return [plain(value) for value in values]


def _object(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {key if isinstance(key, str) else str(plain(key)): plain(value) for key, value in values.items()}


# A bool is an int, and a datetime a date: what is more special stands first.
_CONVERSIONS: dict[type, Callable[[Any], Any]] = {
    str: _same,
    type(None): _same,
    bool: _same,
    int: _integer,
    float: _float,
    Decimal: _decimal,
    datetime.datetime: datetime.datetime.isoformat,
    datetime.date: datetime.date.isoformat,
    datetime.time: datetime.time.isoformat,
    datetime.timedelta: _interval,
    bytes: bytes.hex,
    memoryview: memoryview.hex,
    list: _list,
    tuple: _list,
    set: _list,
    dict: _object,
}
