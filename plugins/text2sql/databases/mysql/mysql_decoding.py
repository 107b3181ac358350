"""What the driver makes of the server's values: Python's for numbers, ISO 8601 for what is a time.

Python's types for dates know less than MySQL's, which has the date ``0000-00-00`` and times of 838 hours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions


def _moment(text: str) -> str:
    return text.replace(" ", "T", 1)


def _moment_in_utc(text: str) -> str:
    """Return a TIMESTAMP; connections are in UTC.  The zero date is at no time anywhere."""
    return _moment(text) if text.startswith("0000") else f"{_moment(text)}+00:00"


def _bits(value: bytes) -> int:
    return int.from_bytes(value, "big")


DECODING: dict[Any, Callable[[Any], Any]] = {
    **conversions,
    FIELD_TYPE.DATE: str,
    FIELD_TYPE.NEWDATE: str,
    FIELD_TYPE.TIME: str,
    FIELD_TYPE.DATETIME: _moment,
    FIELD_TYPE.TIMESTAMP: _moment_in_utc,
    FIELD_TYPE.BIT: _bits,
    FIELD_TYPE.JSON: json.loads,
}
"""By the protocol's number of the type; by Python's type, how parameters are written."""
