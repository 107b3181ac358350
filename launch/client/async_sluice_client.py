"""A client for programs with an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from launch.client.api_error import error_in
from launch.client.client_answers import (
    DatabaseList,
    QuestionAnswered,
    QuestionEvent,
    QuestionReply,
    SchemaFacts,
    WorkflowState,
)
from launch.client.exchange import (
    CONNECT_SECONDS,
    TIMEOUT_SECONDS,
    EventReader,
    TimeLimit,
    cut_off,
    question_body,
    quoted,
)


class AsyncSluiceClient:
    """A client of the server at ``base_url``; close it, or use it in an ``async with``.

    Each request may take ``timeout_seconds`` in all.  One that is refused with 429 or 503 is sent again after
    the time that the server names, as long as that is within them, unless it is not to ``ask_again``.
    ``transport`` and ``sleep`` replace
    sockets and waiting.

    Methods raise ``ApiError`` for what the server refuses, and ``httpx.HTTPError`` where it can't be reached
    or is silent.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        ask_again: bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        # Without the environment's proxies: the server is on this machine or named by the user.
        timeout = httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS)
        self._client = httpx.AsyncClient(
            base_url=base_url, timeout=timeout, trust_env=False, transport=transport
        )
        self._seconds = timeout_seconds
        self._ask_again = ask_again
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, question: str, database: str | None = None, **options: Any) -> QuestionReply:
        """Return the answer to ``question``.

        ``options`` are further fields of ``POST /v1/text2sql``: ``evidence``, ``conversation_id``,
        ``execute``, ``max_rows``, ``explain``, ``candidates``, ``slo_seconds``, ``include_outputs``.

        Raises:
            ApiError: it was refused, or failed.
        """
        return QuestionReply.model_validate(
            await self._json("POST", "/v1/text2sql", json=question_body(question, database, options))
        )

    async def stream(
        self, question: str, database: str | None = None, **options: Any
    ) -> AsyncGenerator[QuestionEvent, None]:
        """Yield what happens to ``question``: it begins, its steps change, and last it is answered.

        If the iterator is closed before (``contextlib.aclosing``), the server cancels the workflow.
        Nothing bounds it but the server, and ``timeout_seconds`` for each event.  ``options`` as in
        :meth:`ask`.

        Raises:
            ApiError: it was refused, or failed.
        """
        body = question_body(question, database, {**options, "stream": True})
        reader = EventReader()
        async with self._begun(body) as response:
            async for line in response.aiter_lines():
                event = reader.event(line)
                if event is not None:
                    yield event
                if isinstance(event, QuestionAnswered):
                    return
        raise cut_off()

    async def databases(self) -> DatabaseList:
        """Return the server's databases."""
        return DatabaseList.model_validate(await self._json("GET", "/v1/databases"))

    async def database(self, name: str, *, limit: int = 100, offset: int = 0) -> SchemaFacts:
        """Return what is in database ``name``: ``limit`` tables after the first ``offset``.

        Raises:
            ApiError: there is none, or it can't be read.
        """
        page = {"limit": limit, "offset": offset}
        return SchemaFacts.model_validate(
            await self._json("GET", f"/v1/databases/{quoted(name)}", params=page)
        )

    async def workflow(self, workflow_id: str) -> WorkflowState:
        """Return a workflow with its timeline.

        Raises:
            ApiError: there is none.
        """
        return WorkflowState.model_validate(await self._json("GET", f"/v1/workflows/{quoted(workflow_id)}"))

    async def cancel(self, workflow_id: str) -> WorkflowState:
        """Cancel a running workflow.

        Raises:
            ApiError: there is none, or it has ended.
        """
        return WorkflowState.model_validate(
            await self._json("DELETE", f"/v1/workflows/{quoted(workflow_id)}")
        )

    @asynccontextmanager
    async def _begun(self, body: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        """Yield the stream of a question that was accepted."""
        limit = TimeLimit(self._seconds, self._ask_again)
        while True:
            async with self._client.stream("POST", "/v1/text2sql", json=body) as response:
                if response.is_success:
                    yield response
                    return
                await response.aread()
            await self._sleep(limit.pause(error_in(response)))

    async def _json(self, method: str, path: str, **request: Any) -> Any:
        limit = TimeLimit(self._seconds, self._ask_again)
        while True:
            response = await self._client.request(method, path, timeout=limit.httpx(), **request)
            if response.is_success:
                return response.json()
            await self._sleep(limit.pause(error_in(response)))
