"""An HTTP client light enough to keep a controller busy from the core next to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from httptools import HttpResponseParser


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection(asyncio.Protocol):
    """One connection that is kept open; one request at a time.  Create with :meth:`open`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._host = ""
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._begin()

    @classmethod
    async def open(cls, host: str, port: int) -> Connection:
        """Connect to ``host``.

        Raises:
            OSError: nobody listens there.
        """
        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_connection(cls, host, port)
        connection._transport, connection._host = transport, f"{host}:{port}"
        return connection

    async def request(self, method: str, path: str, body: bytes, seconds: float | None) -> HttpAnswer:
        """Return the answer to a JSON request; wait for it at most ``seconds``.

        Raises:
            TimeoutError: no answer came in time.
            ConnectionError: the server closed the connection instead.
        """
        self._answer = asyncio.get_running_loop().create_future()
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        async with asyncio.timeout(seconds):
            return await self._answer

    def close(self) -> None:
        """Close the connection, answered or not."""
        self._transport.close()

    # --- asyncio.Protocol -----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request under way."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server closed the connection"))

    # --- httptools' callbacks -------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body."""
        self._body.append(part)

    def on_message_complete(self) -> None:
        """Hand the answer over."""
        answer = HttpAnswer(self._parser.get_status_code(), self._headers, b"".join(self._body))
        self._begin()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def _begin(self) -> None:
        self._parser = HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
