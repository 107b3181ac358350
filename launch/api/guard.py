"""The outermost layer of the app: bounds request bodies and answers what nobody foresaw."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from launch.api.error_answers import error_response
from launch.api.hosts import AllowedHosts
from launch.api.timing import HEADER as TIMING
from launch.api.timing import stamp_ingress, total_header
from sched.errors import SluiceError

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 16 * 1024 * 1024
BODY_SECONDS = 30.0
"""A client may be silent for so long while its body is awaited."""

REQUEST_ID = "x-request-id"
_MOST_ID_CHARACTERS = 256


class ForeignPageError(SluiceError):
    """A request that may come from a web page elsewhere."""

    code = "forbidden"
    status = 403


class Guard:
    """Refuses bodies over ``max_body_bytes`` (413) or too slow ones (408), and what a web page elsewhere may
    have had a browser send (403, ``hosts``); logs unexpected errors (500).

    ``responded`` is told the route's path (``other`` for none) and the status of each response.

    Each answer has the ``x-request-id`` that its client sent, or one that the route or the guard gave it, and
    the ``Server-Timing`` of the route, or else the time until its beginning.
    """

    def __init__(
        self,
        app: ASGIApp,
        responded: Callable[[str, int], None],
        hosts: AllowedHosts,
        max_body_bytes: int = MAX_BODY_BYTES,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._responded = responded
        self._hosts = hosts
        self._max_body_bytes = max_body_bytes
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of the ASGI server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stamp_ingress(scope)
        given_id = Headers(scope=scope).get(REQUEST_ID, "")
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            if not started:
                started = True
                self._responded(getattr(scope.get("route"), "path", "other"), message["status"])
                headers = MutableHeaders(scope=message)
                _name(headers, given_id)
                headers.setdefault(TIMING, total_header(scope))
            await send(message)

        complaint = self._hosts.complaint(scope["method"], Headers(scope=scope))
        if complaint is not None:
            await error_response(ForeignPageError(complaint))(scope, receive, watched_send)
            return
        try:
            await self._app(scope, self._bounded(scope, receive), watched_send)
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise  # the server breaks the connection off: the answer can't be completed
            response = error_response(SluiceError("the server made a mistake; its log says which"))
            await response(scope, receive, watched_send)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        announced = Headers(scope=scope).get("content-length", "")
        size = int(announced) if announced.isdecimal() else 0
        received = 0
        complete = False

        async def bounded_receive() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()  # waits for the client's leaving
            if size > self._max_body_bytes:
                raise self._too_large()
            try:
                async with asyncio.timeout(self._body_seconds):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "the body of the request didn't arrive in time") from None
            complete = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise self._too_large()
            return message

        return bounded_receive

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"the body is larger than {self._max_body_bytes} bytes")


def _name(headers: MutableHeaders, given_id: str) -> None:
    """Give an answer its id: the client's before the route's before a new one."""
    if given_id and len(given_id) <= _MOST_ID_CHARACTERS:
        headers[REQUEST_ID] = given_id
    else:
        headers.setdefault(REQUEST_ID, f"req_{uuid4().hex}")
