"""Every error has one form, whatever went wrong."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive

from launch.api.guard import Guard
from launch.api.hosts import AllowedHosts
from launch.api.metrics.counters import Meters
from sched.errors import OverloadedError
from tests.launch.api.api_stack import api_stack
from tests.waiting import GUARD_SECONDS, reached

_JSON = {"content-type": "application/json"}
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"text": ', "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"text": "\\ud800"}', "not valid JSON"),
        (b'{"text": "a", "sampling_params": {"temperature": NaN}}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
async def test_malformed_json_is_400(content: bytes, reason: str) -> None:
    """What is no JSON by the standard is refused before anything looks at it."""
    async with api_stack(max_body_bytes=1_000_000) as api:
        response = await api.client.post("/generate", content=content, headers=_JSON)
        assert response.status_code == 400
        assert reason in response.json()["error"]["message"]


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"text=hello"])
async def test_a_body_that_is_no_object_is_told_what_it_should_be(content: bytes) -> None:
    """422 with a sentence, also for a body sent as a form."""
    form = {"content-type": "application/x-www-form-urlencoded"} if b"=" in content else _JSON
    async with api_stack() as api:
        response = await api.client.post("/generate", content=content, headers=form)
        assert response.status_code == 422
        assert "must be a JSON object" in response.json()["error"]["message"]


async def test_a_body_without_content_type_is_taken_for_json() -> None:
    """There is nothing else it could be."""
    async with api_stack() as api:
        response = await api.client.post("/generate", content=b'{"text": "a"}')
        assert response.status_code == 200


async def test_unknown_routes_and_methods_have_our_form() -> None:
    """404 and 405 as JSON; 405 says what is allowed."""
    async with api_stack() as api:
        unknown = await api.client.get("/nothing")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
        wrong = await api.client.get("/generate")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
        assert wrong.headers["allow"] == "POST, PUT"
        several = await api.client.post("/v1/workflows/w")
        assert several.headers["allow"] == "DELETE, GET, PATCH"


async def test_many_problems_are_named_up_to_a_few() -> None:
    """The field is the first one's; the message doesn't grow with the input."""
    async with api_stack() as api:
        response = await api.generate(**{f"x{number}": 1 for number in range(150)})
        error = response.json()["error"]
        assert (response.status_code, error["field"]) == (400, "x0")
        assert error["message"].startswith("x0: unknown field")
        assert error["message"].endswith("and 147 more")


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 1000):
        yield b" " * 1000


async def test_a_body_over_the_limit_is_413_announced_or_not() -> None:
    """The limit holds for Content-Length and for what really comes."""
    async with api_stack(max_body_bytes=10_000) as api:
        announced = await api.client.post("/generate", content=b" " * 10_001, headers=_JSON)
        chunked = await api.client.post("/generate", content=_chunks(11_000), headers=_JSON)
        for response in (announced, chunked):
            assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
        assert (await api.generate(text="a" * 9_000)).status_code == 200


async def _raw(app: ASGIApp, length: int, receive: Receive) -> list[Message]:
    """Return what ``app`` sends to a POST that announces ``length`` bytes."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
    scope = {"type": "http", "method": "POST", "path": "/generate", "query_string": b"", "headers": headers}
    async with asyncio.timeout(GUARD_SECONDS):
        await app(scope, receive, send)
    return sent


async def _nothing_comes() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def test_an_announced_size_over_the_limit_is_not_even_read() -> None:
    """The answer doesn't wait for the body."""
    async with api_stack(max_body_bytes=10_000) as api:
        assert (await _raw(api.app, 10_001, _nothing_comes))[0]["status"] == 413


async def test_a_body_that_does_not_come_is_408() -> None:
    """A client that sends half a request doesn't hold the server for ever."""
    async with api_stack() as api:
        sent = await _raw(
            Guard(api.app, Meters().responded, AllowedHosts("api"), body_seconds=0.05), 10, _nothing_comes
        )
        assert sent[0]["status"] == 408


async def test_an_unexpected_error_is_500_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """The client learns nothing of the inside; the log has it all."""
    async with api_stack() as api:

        def broken() -> list[str]:
            raise RuntimeError("secret detail")

        object.__setattr__(api.app.state.services, "databases", broken)
        with caplog.at_level(logging.ERROR, logger="launch.api"):
            response = await api.client.get("/v1/databases")
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
        assert "secret" not in response.text
        assert "secret detail" in caplog.text


async def test_overload_is_429_with_retry_after_also_for_streams_and_workflows() -> None:
    """The core's refusal comes at once, with the time to wait in header and body."""
    async with api_stack(window_tokens=1, max_waiting_calls=1) as api:
        api.worker.stalls = True
        api.worker.go.clear()
        held = [asyncio.create_task(api.generate()) for _ in range(2)]
        await reached(lambda: api.controller.calls_in_flight == 2)
        response = await api.generate(stream=True)
        asked = await api.client.post("/v1/text2sql", json={"question": "How many?"})
        api.worker.go.set()
        assert [done.status_code for done in await asyncio.gather(*held)] == [200, 200]
        assert response.status_code == OverloadedError.status
        assert response.headers["retry-after"] == "1"
        assert response.json()["error"]["retry_after"] == 1.0
        assert asked.status_code == OverloadedError.status
        assert asked.headers["retry-after"] == "1"


async def test_the_document_has_the_version_of_the_latest_release() -> None:
    """OpenAPI's document, the package and the changelog name one version."""
    latest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert latest is not None
    async with api_stack() as api:
        assert (await api.client.get("/openapi.json")).json()["info"]["version"] == latest[1]


async def test_every_operation_documents_its_errors() -> None:
    """The OpenAPI document can be made and shows our error form, never FastAPI's own."""
    async with api_stack() as api:
        document: dict[str, Any] = (await api.client.get("/openapi.json")).json()
        assert "HTTPValidationError" not in document["components"]["schemas"]
        ask = document["paths"]["/v1/text2sql"]["post"]
        assert "no_sql_ran" in ask["description"]
        assert set(ask["responses"]) >= {"200", "400", "404", "422", "429", "503", "504"}
        assert set(ask["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
        assert set(document["paths"]) == {
            "/v1/profiles",
            "/v1/tuning",
            "/v1/tuning/revert",
            "/generate",
            "/v1/responses",
            "/v1/responses/input_tokens",
            "/v1/responses/{response_id}",
            "/v1/responses/{response_id}/cancel",
            "/v1/responses/{response_id}/input_items",
            "/tokenize",
            "/detokenize",
            "/abort_request",
            "/health",
            "/version",
            "/liveness",
            "/readiness",
            "/metrics",
            "/model_info",
            "/health_generate",
            "/server_info",
            "/v1/loads",
            "/get_load",
            "/flush_cache",
            "/workers",
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/models",
            "/v1/models/{model}",
            "/v1/text2sql",
            "/v1/databases",
            "/v1/databases/{name}",
            "/v1/workflows",
            "/v1/workflows/{workflow_id}",
        }
