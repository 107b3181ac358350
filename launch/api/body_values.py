"""A bound on how many values a body has, checked before it is parsed.

Parsing and validating millions of values holds the process, and with it everybody, for seconds; a long text
doesn't.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.exceptions import HTTPException

from launch.api.bodies import few_fields

MOST_VALUES = 250_000
"""About 30 ms of parsing and validating."""
_SLICE_BYTES = 128 * 1024


async def check_values(body: bytes, context_tokens: int | None) -> None:
    """Refuse JSON with more values than ``MOST_VALUES``, and than twice ``context_tokens``.

    Raises:
        HTTPException: 413; it has more.
    """
    most = max(MOST_VALUES, 2 * (context_tokens or 0))
    # Commas in texts count here, too; whether it is those takes longer to tell.
    if body.count(b",") > most and await asyncio.to_thread(has_more, body, most):
        raise HTTPException(
            413, f"the body has more than {most} values: send fewer prompts at once, or texts for token ids"
        )


def check_fields(parsed: Any) -> None:
    """Refuse an object with more fields than any body has: each unknown one would be a complaint of its own.

    Raises:
        HTTPException: 400; it has more.
    """
    try:
        few_fields(parsed)
    except ValueError as error:
        raise HTTPException(400, f"body: {error}") from error


def has_more(body: bytes, most: int) -> bool:
    """Return whether the JSON ``body`` has more than ``most`` commas outside its texts.

    It goes through slices, between which other threads run.
    """
    commas, inside, escaped = 0, False, False
    for begin in range(0, len(body), _SLICE_BYTES):
        part = body[begin : begin + _SLICE_BYTES]
        if escaped:
            part = part[1:]
        part = part.replace(b"\\\\", b"")
        escaped = part.endswith(b"\\")
        for number, piece in enumerate(part.replace(b'\\"', b"").split(b'"')):
            inside ^= number > 0
            commas += 0 if inside else piece.count(b",")
        if commas > most:
            return True
    return False
