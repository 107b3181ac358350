"""Event streams on their own, with a client that is slow to read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from fastapi import Request
from starlette.types import Message

from launch.api.replies import event_stream, sse
from sched.errors import CancelledCallError, SluiceError
from tests.waiting import GUARD_SECONDS

_SCOPE = {"type": "http", "method": "POST", "path": "/x", "headers": [], "query_string": b""}


def _error_event(error: SluiceError) -> bytes:
    return sse({"code": error.code})


async def _stays() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def _leaves() -> Message:
    return {"type": "http.disconnect"}


async def test_a_client_that_leaves_without_reading_ends_its_stream() -> None:
    """The stream stands between two events then; it is closed all the same."""
    closed = False
    left = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal closed
        try:
            while True:
                yield sse(1)
        finally:
            closed = True

    async def receive() -> Message:
        await left.wait()
        return await _leaves()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            left.set()
            await asyncio.Event().wait()  # the socket takes no more

    events = endless()
    response = await event_stream(Request(_SCOPE, _stays), events, _error_event)
    async with asyncio.timeout(GUARD_SECONDS):
        await response(_SCOPE, receive, send)
    assert closed


async def test_a_client_that_left_before_the_first_event_is_an_error() -> None:
    """There is nobody to stream to."""

    async def silent() -> AsyncGenerator[bytes, None]:
        await asyncio.Event().wait()
        yield b""

    with pytest.raises(CancelledCallError):
        async with asyncio.timeout(GUARD_SECONDS):
            await event_stream(Request(_SCOPE, _leaves), silent(), _error_event)


async def test_a_bug_in_a_running_stream_is_told_as_an_error_event(caplog: pytest.LogCaptureFixture) -> None:
    """The client learns that it failed, the log why."""
    sent: list[bytes] = []

    async def broken() -> AsyncGenerator[bytes, None]:
        yield sse("first")
        raise ZeroDivisionError("secret")

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    response = await event_stream(Request(_SCOPE, _stays), broken(), _error_event)
    async with asyncio.timeout(GUARD_SECONDS):
        await response(_SCOPE, _stays, send)
    assert b"internal_error" in b"".join(sent)
    assert b"secret" not in b"".join(sent)
    assert "secret" in caplog.text
