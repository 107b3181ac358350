"""Connections that don't finish the head of a request are closed."""

from __future__ import annotations

import asyncio

import pytest

from launch.api import http_protocol
from launch.api.http_protocol import MOST_HEAD_BYTES
from tests.launch.api.api_stack import api_stack, served

REQUEST = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("begun", [b"G", b"GET /health HTTP/1.1\r\nhost: loc"])
async def test_half_a_head_is_408(monkeypatch: pytest.MonkeyPatch, before: int, begun: bytes) -> None:
    """Of the first request or a later one."""
    async with api_stack() as api, served(api.app) as port:
        if not before:  # patience begins with the connection
            monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(before):
            writer.write(REQUEST)
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.05)
        writer.write(begun)
        assert b"408 Request Timeout" in await reader.read()
        writer.close()


async def test_silence_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a client that only connects."""
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.05)
    async with api_stack() as api, served(api.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert b"408 Request Timeout" in await reader.read()
        writer.close()


async def test_an_endless_head_is_431() -> None:
    """It doesn't gather in memory."""
    async with api_stack() as api, served(api.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health HTTP/1.1\r\nx: " + b"a" * MOST_HEAD_BYTES)
        assert b"431" in await reader.read()
        writer.close()


async def test_a_whole_request_is_answered_and_the_connection_stays() -> None:
    """Its patience ended with the head."""
    async with api_stack() as api, served(api.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(REQUEST)
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.close()
