"""Clients that go away, over real sockets: what they asked for is aborted on the runtime."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from tests.launch.api.api_stack import Api, api_stack, served
from tests.waiting import GUARD_SECONDS, reached


async def _begin(
    port: int, path: str, body: dict[str, Any]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = orjson.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: api\r\nContent-Type: application/json"
    writer.write(f"{head}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
    await writer.drain()
    return reader, writer


async def _aborted(api: Api) -> None:
    await reached(lambda: bool(api.worker.aborted))
    assert api.worker.aborted == [api.worker.requests[0].rid]
    await reached(lambda: api.controller.calls_in_flight == 0)
    (record,) = api.latest(10)
    await reached(lambda: record.state == "cancelled")
    assert record.failure is not None
    assert record.failure.message == "its client went away"


@pytest.mark.parametrize(
    ("path", "body"),
    [("/generate", {"text": "a b", "rid": "mine"}), ("/v1/text2sql", {"question": "How many?"})],
)
async def test_a_client_that_waits_and_leaves_has_its_call_aborted(path: str, body: dict[str, Any]) -> None:
    """Nothing has been sent to it yet; the closed connection alone is the sign."""
    async with api_stack() as api, served(api.app) as port:
        api.worker.go.clear()
        _, writer = await _begin(port, path, body)
        await reached(lambda: bool(api.worker.requests))
        assert not api.worker.aborted
        writer.close()
        await _aborted(api)
        assert not api.controller.cancel_call("mine", "its rid is free again")


@pytest.mark.parametrize(
    ("path", "body", "seen"),
    [
        ("/generate", {"text": "a b", "stream": True}, b"SELECT"),
        ("/v1/text2sql", {"question": "How many?", "stream": True}, b"event: step"),
    ],
)
async def test_a_client_that_leaves_a_silent_stream_has_its_call_aborted(
    path: str, body: dict[str, Any], seen: bytes
) -> None:
    """The leaving is noticed at once, though no further event is due."""
    async with api_stack() as api, served(api.app) as port:
        api.worker.go.clear()
        reader, writer = await _begin(port, path, body)
        async with asyncio.timeout(GUARD_SECONDS):
            await reader.readuntil(seen)
        assert not api.worker.aborted
        writer.close()
        await _aborted(api)


async def test_a_stream_that_waits_for_its_first_token_is_aborted_too() -> None:
    """No status line has been sent; the call may still wait in a queue."""
    async with api_stack() as api, served(api.app) as port:
        api.worker.stalls = True
        api.worker.go.clear()
        _, writer = await _begin(port, "/generate", {"text": "a b", "stream": True})
        await reached(lambda: bool(api.worker.requests))
        writer.close()
        await _aborted(api)


async def test_one_clients_leaving_leaves_the_others_alone() -> None:
    """Two streams side by side: the one that stays gets all of its output."""
    async with api_stack() as api, served(api.app) as port:
        api.worker.go.clear()
        stays, keep = await _begin(port, "/generate", {"text": "a", "stream": True, "rid": "stays"})
        leaves, gone = await _begin(port, "/generate", {"text": "b", "stream": True, "rid": "leaves"})
        async with asyncio.timeout(GUARD_SECONDS):
            await stays.readuntil(b"SELECT")
            await leaves.readuntil(b"SELECT")
            gone.close()
            await reached(lambda: len(api.worker.aborted) == 1)
            api.worker.go.set()
            rest = await stays.readuntil(b"[DONE]")
        assert b'"text":"SELECT 1 + 1"' in rest
        keep.close()
