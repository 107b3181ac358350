"""How much HTTP work the server takes on at once: requests, and the bytes of their bodies."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from launch.api.error_answers import as_error, error_body, error_response
from launch.api.openai.error_form import error_body as openai_error_body

_ALWAYS = frozenset(
    {"/health", "/health_generate", "/liveness", "/ready", "/readiness", "/metrics", "/abort_request"}
)
_OPENAI = ("/v1/chat/completions", "/v1/completions", "/v1/models")
_SMALL_BYTES = 64 * 1024
"""Probes and cancellations have no larger bodies; what claims more is work like any other."""
_LINGER_SECONDS = 1.0
_LINGER_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkBounds:
    """``requests`` at work at once, and the sum of the ``body_bytes`` that they announced or sent."""

    requests: int = 4096
    body_bytes: int = 512 * 1024 * 1024


class BoundedWork:
    """Answers 429 to requests beyond ``bounds``; probes, ``/metrics`` and cancellations are never refused.

    A body is counted by its announced size, or else as it comes, until its request is answered.  One over
    ``max_body_bytes`` is refused by others (``guard.py``) and not counted.  A refusal closes the connection:
    the rest of the body is not read.
    """

    def __init__(self, app: ASGIApp, bounds: WorkBounds, max_body_bytes: int) -> None:
        self._app = app
        self._bounds = bounds
        self._max_body_bytes = max_body_bytes
        self._requests = self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of the ASGI server."""
        if scope["type"] != "http" or _always_served(scope):
            await self._app(scope, receive, send)
            return
        work = _CountedRequest(self, scope, receive, send)
        announced = _announced(scope)
        size = announced if announced is not None and announced <= self._max_body_bytes else 0
        if self._requests >= self._bounds.requests:
            await work.refuse(self._too_much("requests are at work"))
            return
        if not self.has_room(size):
            await work.refuse(self.too_large())
            return
        self._requests += 1
        self.count(size)
        work.counted = size
        try:
            await self._app(scope, receive if announced is not None else work.receive, work.send)
        finally:
            self._requests -= 1
            self.count(-work.counted)

    def has_room(self, size: int) -> bool:
        """Whether ``size`` more bytes are within the bound."""
        return self._bytes + size <= self._bounds.body_bytes

    def count(self, size: int) -> None:
        """Count ``size`` more bytes (fewer: negative)."""
        self._bytes += size

    def too_large(self) -> HTTPException:
        """Return the refusal of a body without room."""
        return self._too_much("large bodies are at work")

    @staticmethod
    def _too_much(what: str) -> HTTPException:
        return HTTPException(429, f"too many {what}; try again later")


class _CountedRequest:
    """One request; ``counted``: the bytes of its body that are counted."""

    def __init__(self, owner: BoundedWork, scope: Scope, receive: Receive, send: Send) -> None:
        self.counted = 0
        self._owner = owner
        self._scope = scope
        self._receive = receive
        self._send = send
        self._refused = False

    async def refuse(self, error: HTTPException) -> None:
        """Answer with ``error``."""
        self._refused = True
        openai = self._scope["path"].startswith(_OPENAI)
        response = error_response(as_error(error), to_body=openai_error_body if openai else error_body)
        await response(self._scope, self._receive, self.send)

    async def receive(self) -> Message:
        """Return the next message; of a body without an announced size, its bytes are counted.

        Raises:
            HTTPException: 429; there is no room for them.
        """
        message = await self._receive()
        size = len(message.get("body", b""))
        if not self._owner.has_room(size):
            self._refused = True
            raise self._owner.too_large()
        self._owner.count(size)
        self.counted += size
        return message

    async def send(self, message: Message) -> None:
        """Send ``message``; a refusal is the connection's last answer."""
        if self._refused and message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        elif self._refused and not message.get("more_body", False):
            # Closed with bytes unread, the connection would be reset, maybe before the client has the answer.
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _linger(self) -> None:
        """Read on for a moment, as far as a client that has sent its body already needs it."""
        read = 0
        with suppress(TimeoutError, HTTPException):  # 408 and 413 are of no interest any more
            async with asyncio.timeout(_LINGER_SECONDS):
                while read < _LINGER_BYTES:
                    message = await self._receive()
                    read += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return


def _always_served(scope: Scope) -> bool:
    cancels = scope["method"] == "DELETE" and scope["path"].startswith("/v1/workflows/")
    size = _announced(scope)
    return (cancels or scope["path"] in _ALWAYS) and size is not None and size <= _SMALL_BYTES


def _announced(scope: Scope) -> int | None:
    """Return the size of a request's body; ``None`` if only its end will tell."""
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        return None
    size = headers.get("content-length", "")
    return int(size) if size.isdecimal() else 0
