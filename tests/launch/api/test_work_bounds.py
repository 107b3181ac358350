"""Requests beyond what is taken on at once are refused, whether they announce their size or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from launch.api.guard import MAX_BODY_BYTES
from launch.api.work_bounds import WorkBounds
from launch.server.config import ServerConfig
from launch.server.sources import read_invocation
from sched.errors import ConfigError
from tests.launch.api.api_stack import Api, api_stack, served
from tests.waiting import GUARD_SECONDS, reached

ROOM = 50_000
PROMPT = orjson.dumps({"text": "SELECT", "sampling_params": {"max_new_tokens": 4}})


def head(path: str, *headers: str, method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", "content-type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def announced(path: str, body: bytes, size: int | None = None) -> bytes:
    return head(path, f"content-length: {len(body) if size is None else size}") + body


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


class Client:
    """A connection; what is sent on it is as hostile as a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def status(self) -> int:
        """Return the status of the next answer."""
        async with asyncio.timeout(GUARD_SECONDS):
            return int((await self._reader.readuntil(b"\r\n")).split()[1])

    async def rest(self) -> bytes:
        """Return everything until the server closes the connection."""
        async with asyncio.timeout(GUARD_SECONDS):
            return await self._reader.read()


class Door:
    """A served API with a worker that stands still."""

    def __init__(self, api: Api, port: int) -> None:
        self.api = api
        self._port = port
        self._clients: list[Client] = []

    async def client(self, sent: bytes) -> Client:
        """Return a connection on which ``sent`` was sent."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port))
        self._clients.append(client)
        client.writer.write(sent)
        return client

    async def occupied(self, sent: bytes = b"") -> Client:
        """Return the client of a request that is at work until the worker goes on."""
        before = len(self.api.worker.requests)
        client = await self.client(sent or announced("/generate", PROMPT))
        await reached(lambda: len(self.api.worker.requests) > before)
        return client

    def close(self) -> None:
        self.api.worker.go.set()
        for client in self._clients:
            client.writer.close()


@asynccontextmanager
async def door(requests: int = 100, body_bytes: int = ROOM) -> AsyncIterator[Door]:
    bounds = WorkBounds(requests=requests, body_bytes=body_bytes)
    async with api_stack(bounds=bounds) as api, served(api.app) as port:
        api.worker.go.clear()
        opened = Door(api, port)
        try:
            yield opened
        finally:
            opened.close()


async def refused(client: Client) -> dict[str, object]:
    """Check that a client is refused and its connection closed; return the error."""
    assert await client.status() == 429
    lines, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert b"retry-after: 1" in lines
    assert b"connection: close" in lines
    error: dict[str, object] = orjson.loads(body)["error"]
    return error


async def test_requests_beyond_the_bound_are_429_until_one_is_answered() -> None:
    """Routes for work and for looking alike; on OpenAI's routes in OpenAI's form."""
    async with door(requests=2) as opened:
        first, _ = await opened.occupied(), await opened.occupied()
        error = await refused(await opened.client(announced("/generate", PROMPT)))
        assert (error["code"], error["retry_after"]) == ("overloaded", 1.0)
        await refused(await opened.client(head("/workers", method="GET")))
        other = await refused(await opened.client(announced("/v1/completions", b"{}")))
        assert (other["code"], other["type"]) == ("overloaded", "rate_limit_error")
        opened.api.worker.go.set()
        assert await first.status() == 200
        again = await opened.client(announced("/generate", PROMPT))
        assert await again.status() == 200


@pytest.mark.parametrize(
    "sent",
    [
        *(head(path, method="GET") for path in ("/health", "/liveness", "/readiness", "/metrics")),
        announced("/abort_request", b'{"rid": "x"}'),
        head("/v1/workflows/nobody", method="DELETE"),
    ],
)
async def test_probes_and_cancellations_are_always_served(sent: bytes) -> None:
    """Whatever else is at work."""
    async with door(requests=1, body_bytes=len(PROMPT)) as opened:
        await opened.occupied()
        assert await (await opened.client(sent)).status() in {200, 404}


async def test_announced_bytes_are_counted_before_they_come() -> None:
    """A body that would not fit is refused at its head, and one that fits later is served."""
    async with door() as opened:
        half = await opened.client(announced("/generate", b"{", ROOM - 100))
        error = await refused(await opened.client(announced("/generate", b"{", ROOM // 2)))
        assert error["code"] == "overloaded"
        half.writer.close()  # its client leaves: there is room again
        opened.api.worker.go.set()

        async def status() -> int:
            return await (await opened.client(announced("/generate", PROMPT + b" " * 1000))).status()

        async with asyncio.timeout(GUARD_SECONDS):
            while await status() != 200:
                pass


async def test_a_body_of_unknown_size_is_counted_as_it_comes() -> None:
    """It is refused with the chunk that doesn't fit; the rest of it is never read."""
    async with door() as opened:
        chunked = head("/generate", "transfer-encoding: chunked")
        await opened.occupied(chunked + chunk(PROMPT + b" " * (ROOM // 2)) + b"0\r\n\r\n")
        client = await opened.client(chunked + chunk(b" " * (ROOM // 3)) + chunk(b" " * (ROOM // 3)))
        assert (await refused(client))["code"] == "overloaded"


async def test_a_refused_body_that_never_ends_is_not_read_to_its_end() -> None:
    """Its sender has the answer, and then nobody to send to."""
    async with door(requests=1) as opened:
        await opened.occupied()
        client = await opened.client(announced("/generate", b" " * 10_000, 90_000_000))
        assert await client.status() == 429

        async def send_on() -> None:
            while True:
                client.writer.write(b" " * 10_000)
                await client.writer.drain()

        async with asyncio.timeout(GUARD_SECONDS):
            with pytest.raises(ConnectionError):
                await send_on()


async def test_cancellations_with_large_bodies_are_work_like_any_other() -> None:
    """Otherwise, they would be a way around the bound."""
    async with door(requests=1) as opened:
        await opened.occupied()
        await refused(await opened.client(announced("/abort_request", b"{", 70_000)))
        await refused(await opened.client(head("/abort_request", "transfer-encoding: chunked")))


def test_there_is_room_for_the_largest_body() -> None:
    """Less can't be set."""
    enough = read_invocation(["--max-http-bytes", str(MAX_BODY_BYTES)], {}).config
    assert enough.max_http_bytes == MAX_BODY_BYTES
    with pytest.raises(ConfigError, match="max-http-bytes"):
        read_invocation(["--max-http-bytes", str(MAX_BODY_BYTES - 1)], {})


def test_the_defaults_are_told_twice_and_are_the_same() -> None:
    """The launcher doesn't import the API."""
    config, bounds = ServerConfig(), WorkBounds()
    assert (config.max_http_requests, config.max_http_bytes) == (bounds.requests, bounds.body_bytes)
