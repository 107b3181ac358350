"""The tools, asked by the package's own client: in this process, over stdio and over HTTP."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult

from launch.checks import free_port
from launch.client.async_sluice_client import AsyncSluiceClient
from launch.mcp.database_tools import mcp_server
from launch.mcp.mcp_cli import loopback
from plugins.text2sql.question import QuestionRequest
from sched.errors import ConfigError, OverloadedError
from sched.workflow import WorkflowProgram
from tests.launch.api.api_fakes import FakeText2Sql
from tests.launch.api.api_stack import Api, api_stack, served
from tests.waiting import GUARD_SECONDS, eventually, reached

ROOT = Path(__file__).parents[3]
QUESTION = {"question": "How many customers?"}
SHOP: dict[str, Any] = {"name": "shop", "kind": "sqlite", "state": "ready", "reason": None, "warnings": []}


@asynccontextmanager
async def _tools(api: Api) -> AsyncIterator[Client]:
    """Yield a client of the tools on ``api``, all in this process."""
    async with (
        served(api.app) as port,
        AsyncSluiceClient(f"http://127.0.0.1:{port}", ask_again=False) as sluice,
        Client(mcp_server(sluice), read_timeout_seconds=GUARD_SECONDS) as client,
    ):
        yield client


def _text(result: CallToolResult) -> str:
    return "".join(getattr(part, "text", "") for part in result.content)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def _use(client: Client) -> None:
    """Use every tool."""
    tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == ["ask_database", "list_databases", "describe_database"]
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
    told: list[tuple[float, str | None]] = []

    async def notice(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    asked = await client.call_tool("ask_database", QUESTION, progress_callback=notice)
    answer = asked.structured_content
    assert answer is not None
    assert not asked.is_error
    assert (answer["status"], answer["sql"], answer["rows"]) == ("ok", "SELECT 1 + 1", [[2]])
    assert (answer["columns"], answer["truncated"], answer["database"]) == (["n"], False, "shop")
    assert [done for done, _ in told] == [0, 1, 2]
    assert [message for _, message in told[1:]] == ["generate_candidate: finished", "execute: finished"]
    listed = await client.call_tool("list_databases", {})
    assert listed.structured_content == {"databases": [SHOP]}
    described = (await client.call_tool("describe_database", {"database": "shop"})).structured_content
    assert described is not None
    assert [table["name"] for table in described["tables"]] == ["customers"]
    refused = await client.call_tool("ask_database", QUESTION | {"database": "bank"})
    assert refused.is_error
    assert _text(refused).endswith("not_found (database): there is no database 'bank'; known are: shop")


async def test_the_tools_in_one_process() -> None:
    """What they answer, how they fail and what they tell on the way."""
    async with api_stack() as api, _tools(api) as client:
        await _use(client)


async def test_fields_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that aren't given aren't sent, but for the rows."""
    asked: list[dict[str, Any]] = []
    plain = FakeText2Sql.program

    def program(self: FakeText2Sql, request: QuestionRequest, database: str) -> WorkflowProgram:
        asked.append(request.model_dump(exclude_unset=True))
        return plain(self, request, database)

    monkeypatch.setattr(FakeText2Sql, "program", program)
    given = {"database": "shop", "evidence": "of Berlin", "conversation_id": "c-1", "max_rows": 5}
    async with api_stack() as api, _tools(api) as client:
        await client.call_tool("ask_database", QUESTION)
        await client.call_tool("ask_database", QUESTION | given)
    assert asked == [QUESTION | {"stream": True, "max_rows": 200}, QUESTION | given | {"stream": True}]


async def test_a_call_that_is_cancelled_cancels_the_workflow() -> None:
    """Its model calls are aborted on the runtime."""
    async with api_stack() as api, _tools(api) as client:
        api.worker.go.clear()
        call = asyncio.create_task(client.call_tool("ask_database", QUESTION))
        await reached(lambda: bool(api.worker.requests))
        call.cancel()
        await reached(lambda: api.latest(1)[0].state == "cancelled")
        await reached(lambda: api.worker.aborted == [api.worker.requests[0].rid])


async def test_a_workflow_that_fails_is_a_tool_error() -> None:
    """With what the server says of it, and when to come back."""
    async with api_stack() as api, _tools(api) as client:
        api.text2sql.error = OverloadedError("too much waits", retry_after=3.0)
        failed = await client.call_tool("ask_database", QUESTION)
        assert failed.is_error
        assert _text(failed).endswith("overloaded: too much waits; try again in 3 s")


async def test_a_server_that_is_gone_is_a_tool_error() -> None:
    """The agent learns which one it is."""
    async with (
        AsyncSluiceClient(f"http://127.0.0.1:{free_port()}") as sluice,
        Client(mcp_server(sluice), read_timeout_seconds=GUARD_SECONDS) as client,
    ):
        failed = await client.call_tool("list_databases", {})
        assert failed.is_error
        assert "Sluice's server gave no answer: " in _text(failed)


async def test_the_tools_over_stdio() -> None:
    """As an agent starts them."""
    async with api_stack() as api, served(api.app) as port:
        arguments = ["-m", "launch.mcp", "--server", f"http://127.0.0.1:{port}"]
        started = StdioServerParameters(command=sys.executable, args=arguments, cwd=ROOT)
        async with Client(started, read_timeout_seconds=GUARD_SECONDS) as client:
            await _use(client)


async def test_the_tools_over_http_for_this_machine_alone() -> None:
    """A page elsewhere whose name leads here is refused (DNS rebinding)."""
    async with api_stack() as api, served(api.app) as port:
        own = free_port()
        arguments = ["--server", f"http://127.0.0.1:{port}", "--http", f"127.0.0.1:{own}"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "launch.mcp", *arguments, cwd=ROOT
        )
        url = f"http://127.0.0.1:{own}/mcp"
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=GUARD_SECONDS) as plain:
                assert await asyncio.to_thread(eventually, lambda: _listens(own))
                foreign = [{"host": "evil.example"}, {"origin": "http://evil.example"}]
                answers = [await plain.post(url, json={}, headers=headers) for headers in foreign]
                assert [answer.status_code for answer in answers] == [421, 403]
            async with Client(url, read_timeout_seconds=GUARD_SECONDS) as client:
                await _use(client)
        finally:
            process.terminate()
            async with asyncio.timeout(GUARD_SECONDS):
                await process.wait()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("localhost:1", ("localhost", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_addresses_of_this_machine(text: str, address: tuple[str, int]) -> None:
    """In every spelling that a URL has."""
    assert loopback(text) == address


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.0.0.0:8000", "not on '0.0.0.0'"),
        ("host.example:8000", "put a proxy"),
        ("8000", "takes HOST:PORT"),
        ("127.0.0.1", "takes HOST:PORT"),
        ("127.0.0.1:0", "takes HOST:PORT"),
        ("127.0.0.1:65536", "takes HOST:PORT"),
    ],
)
def test_other_addresses_are_refused(text: str, message: str) -> None:
    """With the remedy."""
    with pytest.raises(ConfigError, match=message) as caught:
        loopback(text)
    assert caught.value.field == "http"
