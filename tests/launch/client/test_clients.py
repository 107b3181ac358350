"""Both clients, on a running server and on answers made up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from launch.api.replies import sse
from launch.client.api_error import ApiError
from launch.client.async_sluice_client import AsyncSluiceClient
from launch.client.client_answers import QuestionAnswered, StepChanged, WorkflowBegun
from launch.client.sluice_client import SluiceClient
from tests.launch.api.api_stack import api_stack, served
from tests.waiting import reached

QUESTION = "How many customers?"
ANSWER = {
    "workflow_id": "w",
    "database": "shop",
    "seconds": 1.0,
    "slo_seconds": 60.0,
    "deadline_met": True,
    "timeline": [],
}
BUSY = {"error": {"code": "overloaded", "message": "too much waits", "retry_after": 2.5}}


class Answers:
    """Answers made up, one per attempt, and the pauses between them."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.left = list(answers)
        self.pauses: list[float] = []
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self._answer)

    def sync(self, **options: Any) -> SluiceClient:
        return SluiceClient("http://api", transport=self.transport, sleep=self.pauses.append, **options)

    def asynchronous(self, **options: Any) -> AsyncSluiceClient:
        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        return AsyncSluiceClient("http://api", transport=self.transport, sleep=sleep, **options)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.left.pop(0)


async def _asked(answers: Answers, way: str, **options: Any) -> Any:
    """Ask by one of four ways and return the answer."""
    if way == "ask":
        with answers.sync(**options) as client:
            return client.ask(QUESTION)
    if way == "stream":
        with answers.sync(**options) as client:
            *_, end = client.stream(QUESTION)
            assert isinstance(end, QuestionAnswered)
            return end.answer
    async with answers.asynchronous(**options) as other:
        if way == "async ask":
            return await other.ask(QUESTION)
        async with aclosing(other.stream(QUESTION)) as events:
            *_, last = [each async for each in events]
    assert isinstance(last, QuestionAnswered)
    return last.answer


WAYS = ["ask", "stream", "async ask", "async stream"]


def _done(way: str) -> httpx.Response:
    stream = "stream" in way
    return httpx.Response(200, content=sse(ANSWER, "result")) if stream else httpx.Response(200, json=ANSWER)


async def test_the_asynchronous_client_on_a_server() -> None:
    """Everything it can do."""
    async with api_stack() as api, served(api.app) as port:
        client = AsyncSluiceClient(f"http://127.0.0.1:{port}")
        async with client:
            answer = await client.ask(QUESTION, "shop", evidence="those in Berlin", candidates=2)
            assert (answer.status, answer.sql, answer.rows) == ("ok", "SELECT 1 + 1", [[2]])
            assert (api.text2sql.hints, api.text2sql.asked) == (["those in Berlin"], [(QUESTION, "shop", 2)])
            assert [step.kind for step in answer.timeline] == ["call", "sql"]
            events = [event async for event in client.stream(QUESTION, slo_seconds=700)]
            assert isinstance(events[0], WorkflowBegun)
            assert (events[0].database, events[0].slo_seconds) == ("shop", 700.0)
            assert {type(event) for event in events[1:-1]} == {StepChanged}
            assert isinstance(events[-1], QuestionAnswered)
            assert (await client.databases()).databases == ["shop"]
            schema = await client.database("shop")
            assert [(table.name, table.row_count) for table in schema.tables] == [("customers", 9)]
            shown = await client.workflow(answer.workflow_id)
            assert (shown.state, len(shown.timeline)) == ("finished", 2)
            with pytest.raises(ApiError, match="it is finished") as caught:
                await client.cancel(answer.workflow_id)
            assert (caught.value.status, caught.value.field) == (409, "workflow_id")


async def test_the_synchronous_client_on_a_server() -> None:
    """The same."""

    def use(url: str) -> None:
        with SluiceClient(url) as client:
            answer = client.ask(QUESTION, "shop")
            assert (answer.status, answer.rows) == ("ok", [[2]])
            *_, last = client.stream(QUESTION)
            assert isinstance(last, QuestionAnswered)
            assert client.databases().details[0].state == "ready"
            assert client.database("shop", limit=1).tables_total == 1
            assert client.database("shop", offset=1).tables == []
            assert client.workflow(answer.workflow_id).state == "finished"
            with pytest.raises(ApiError) as caught:
                client.cancel("a/b?c")
            assert (caught.value.code, caught.value.status) == ("not_found", 404)
            with pytest.raises(ApiError, match="there is no database 'x'"):
                client.database("x")

    async with api_stack() as api, served(api.app) as port:
        await asyncio.to_thread(use, f"http://127.0.0.1:{port}")


async def test_a_stream_that_is_closed_cancels_its_workflow() -> None:
    """And one can be cancelled by its id."""
    async with api_stack() as api, served(api.app) as port:
        api.worker.go.clear()
        async with AsyncSluiceClient(f"http://127.0.0.1:{port}") as client:
            async with aclosing(client.stream(QUESTION)) as events:
                begun = await anext(events)
                assert isinstance(begun, WorkflowBegun)
            await reached(lambda: api.latest(1)[0].state == "cancelled")
            asking = asyncio.create_task(client.ask(QUESTION))
            await reached(lambda: len(api.latest(9)) == 2)
            assert (await client.cancel(api.latest(1)[0].spec.workflow_id)).state == "cancelled"
            with pytest.raises(ApiError) as caught:
                await asking
            assert (caught.value.code, caught.value.status) == ("cancelled", 499)


@pytest.mark.parametrize("way", WAYS)
async def test_a_refusal_is_waited_out_as_long_as_the_server_says(way: str) -> None:
    """By the body, else by the header, else for a second."""
    answers = Answers(
        httpx.Response(429, json=BUSY),
        httpx.Response(503, text="no", headers={"retry-after": "7"}),
        httpx.Response(503, text="no"),
        _done(way),
    )
    answer = await _asked(answers, way)
    assert (answer.workflow_id, answers.pauses) == ("w", [2.5, 7.0, 1.0])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("status", "options"),
    [(429, {"timeout_seconds": 2.0}), (429, {"ask_again": False}), (500, {}), (504, {})],
)
async def test_what_time_or_kind_forbid_is_not_asked_again(
    way: str, status: int, options: dict[str, Any]
) -> None:
    """The error has all that the server said."""
    answers = Answers(httpx.Response(status, json=BUSY))
    with pytest.raises(ApiError, match="too much waits") as caught:
        await _asked(answers, way, **options)
    error = caught.value
    assert (error.code, error.status, error.retry_after) == ("overloaded", status, 2.5)
    assert answers.pauses == []


@pytest.mark.parametrize("way", ["stream", "async stream"])
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (
            sse({"workflow_id": "w", "error": {"code": "timeout", "message": "late", "field": "f"}}, "error"),
            "timeout",
        ),
        (sse({"workflow_id": "w", "database": "shop", "slo_seconds": 1.0}, "workflow"), "cut_off"),
    ],
)
async def test_a_stream_that_fails_raises(way: str, content: bytes, code: str) -> None:
    """It is not asked again, since it had begun."""
    with pytest.raises(ApiError) as caught:
        await _asked(Answers(httpx.Response(200, content=content)), way)
    assert (caught.value.code, caught.value.status) == (code, None)


@pytest.mark.parametrize("body", ["<html>bad gateway</html>", "[]", '{"error": "no"}'])
def test_an_error_in_another_form_keeps_its_words(body: str) -> None:
    """As of a proxy in between."""
    with pytest.raises(ApiError) as caught:
        Answers(httpx.Response(502, text=body)).sync().databases()
    assert (caught.value.code, caught.value.status) == ("unknown", 502)
    assert caught.value.message


def test_options_that_are_none_are_not_sent() -> None:
    """The server's kind of workflow may not know them."""
    answers = Answers(_done("ask"))
    answers.sync().ask(QUESTION, None, evidence=None, max_rows=5)
    assert answers.requests[0].content == b'{"question":"How many customers?","max_rows":5}'


CLIENTS: list[Callable[..., Any]] = [SluiceClient, AsyncSluiceClient]


def test_both_clients_can_do_the_same() -> None:
    """So code moves from one to the other."""
    first, second = ({name for name in vars(cls) if not name.startswith("_")} for cls in CLIENTS)
    assert first == second
