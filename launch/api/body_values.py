"""Parsing of bodies that holds nobody: a bound on how many values one has is checked before.

Parsing and validating millions of values holds the process, and with it everybody, for seconds; a long text
doesn't.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import orjson
from starlette.exceptions import HTTPException

from launch.api.bodies import few_fields

MOST_VALUES = 250_000
"""About 30 ms of parsing and validating."""
_SLICE_BYTES = 128 * 1024
_LARGE_BYTES = 1024 * 1024


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


async def parsed(body: bytes) -> Any:
    """Return the JSON ``body`` as Python's objects; large ones are parsed one at a time, in a thread.

    Otherwise, several that have come would hold the process together.

    Raises:
        json.JSONDecodeError: it is no JSON.
    """
    if len(body) <= _LARGE_BYTES:
        return orjson.loads(body)
    return await asyncio.get_running_loop().run_in_executor(_parser(), orjson.loads, body)


@cache
def _parser() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "json")


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
