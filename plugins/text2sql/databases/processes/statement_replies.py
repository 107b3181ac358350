"""What a statement's process answers, as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from plugins.text2sql.databases.database import Rows, StatementError, UnknownName

READY = b"ready"
_LONGEST_ESCAPE = 6
_FRAME_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a statement; ``worn``: its process holds too much memory to run another one."""

    outcome: Rows | StatementError
    worn: bool


def most_bytes(result_bytes: int) -> int:
    """Return how long a reply may be, in bytes, if all rows together have at most ``result_bytes``."""
    return _LONGEST_ESCAPE * result_bytes + _FRAME_BYTES


def encode(reply: Reply) -> bytes:
    """Return ``reply`` as JSON; rows that it can't hold become an error."""
    outcome = reply.outcome
    if isinstance(outcome, Rows):
        try:
            return orjson.dumps(
                {
                    "columns": outcome.columns,
                    "rows": outcome.rows,
                    "truncated": outcome.truncated,
                    "worn": reply.worn,
                }
            )
        except TypeError as error:
            outcome = StatementError("invalid", f"the result can't be read: {error}")
    unknown = None if outcome.unknown is None else [outcome.unknown.kind, outcome.unknown.name]
    # A message may quote what is no text.
    message = str(outcome).encode(errors="replace").decode()
    return orjson.dumps({"error": [outcome.kind, message], "unknown": unknown, "worn": reply.worn})


def decode(written: bytes) -> Reply:
    """Return the reply that was ``written``.

    Raises:
        ValueError: it is none.
    """
    found: dict[str, Any] = orjson.loads(written)
    try:
        if "error" not in found:
            rows = Rows(tuple(found["columns"]), tuple(map(tuple, found["rows"])), bool(found["truncated"]))
            return Reply(rows, bool(found["worn"]))
        kind, message = found["error"]
        unknown = None if found["unknown"] is None else UnknownName(*found["unknown"])
        return Reply(StatementError(str(kind), str(message), unknown), bool(found["worn"]))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"this is no reply: {error}") from error
