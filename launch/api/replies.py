"""Answers that end with their client: JSON and event streams whose work is cancelled on a disconnect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from launch.api.body_values import check_fields, check_values, parsed
from sched.errors import CancelledCallError, SluiceError

logger = logging.getLogger(__name__)

T = TypeVar("T")
ToEvent = Callable[[SluiceError], bytes]


class JsonResponse(Response):
    """JSON by orjson; enums by value, a float that is not finite as null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return ``content`` as JSON."""
        return orjson.dumps(content)


class JsonRoute(APIRoute):
    """A route that reads its body with orjson, which refuses NaN and lone surrogates.

    The standard library's ``json`` lets both through, to fail in the tokenizer or in the answer.  A body
    with too many values is refused before (413).
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler on such a request."""
        handler = super().get_route_handler()

        async def with_orjson(request: Request) -> Response:
            return await handler(_OrjsonRequest(request.scope, request.receive))

        return with_orjson


class _OrjsonRequest(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            body = await self.body()
            await check_values(body, self.app.state.services.controller.workers.context_length)
            self._json = await parsed(body)
            check_fields(self._json)
        return self._json


def sse(data: Any, event: str | None = None) -> bytes:
    """Return one server-sent event."""
    name = f"event: {event}\n".encode() if event else b""
    return name + b"data: " + orjson.dumps(data) + b"\n\n"


def stream_docs(description: str) -> dict[int | str, dict[str, Any]]:
    """Return a route's ``responses`` for the OpenAPI document; ``description`` is of its event stream."""
    events: dict[str, Any] = {"text/event-stream": {}}
    return {200: {"description": f"The answer; {description}.", "content": events}}


async def until_disconnected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Return ``work``'s result, cancelling it if the client leaves; the request's body must be read.

    Raises:
        CancelledCallError: the client left.
    """
    task = asyncio.create_task(work)
    watch = asyncio.create_task(_disconnected(receive))
    try:
        # Bounded by the time limit of the work.
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise CancelledCallError("the client went away")
        return task.result()
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def event_stream(
    request: Request,
    events: AsyncGenerator[bytes, None],
    to_event: ToEvent,
    headers: Mapping[str, str] | None = None,
) -> EventStream:
    """Return the answer that streams ``events``; ``to_event`` makes the last event of an error.

    It waits for the first event, so that what fails before it is answered with its own status.

    Raises:
        SluiceError: raised by ``events`` before the first event, or the client left.
    """
    first = await until_disconnected(request.receive, _first(events))
    return EventStream(first, events, to_event, headers or {})


async def _first(events: AsyncGenerator[bytes, None]) -> bytes:
    return await anext(events)


class EventStream(StreamingResponse):
    """Server-sent events; ``events`` is closed with the connection, whoever ends it."""

    def __init__(
        self,
        first: bytes,
        events: AsyncGenerator[bytes, None],
        to_event: ToEvent,
        headers: Mapping[str, str],
    ) -> None:
        self._events = events
        super().__init__(
            _all_events(first, events, to_event),
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"} | dict(headers),
            media_type="text/event-stream",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until the last one or until the client leaves, whether or not one is due."""
        try:
            await until_disconnected(receive, self.stream_response(send))
        except CancelledCallError:
            logger.info("the client of %s went away", scope["path"])
        finally:
            await self._events.aclose()


async def _all_events(
    first: bytes, events: AsyncGenerator[bytes, None], to_event: ToEvent
) -> AsyncGenerator[bytes, None]:
    yield first
    try:
        async for event in events:
            yield event
    except SluiceError as error:
        yield to_event(error)
    except Exception:
        logger.exception("a stream broke")
        yield to_event(SluiceError("the server made a mistake; its log says which"))
