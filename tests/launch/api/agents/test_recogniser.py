"""Agents through OpenAI's own client, with no tag at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import openai

from launch.api.agents.recogniser import Recogniser
from tests.launch.api.api_stack import Api
from tests.launch.api.openai.openai_stack import openai_stack
from tests.waiting import reached


@asynccontextmanager
async def recognising(**options: Any) -> AsyncIterator[tuple[Api, openai.AsyncOpenAI]]:
    """Yield a stack that recognises agents, and a client."""
    async with openai_stack(**options) as (api, client, _):
        services = api.app.state.services
        api.app.state.services = replace(services, recogniser=Recogniser(services.external.is_open))
        yield api, client


async def ask(client: openai.AsyncOpenAI, system: str, *turns: str, **options: Any) -> str:
    """Ask as an agent does, and return the answer."""
    messages: Any = [{"role": "system", "content": system}]
    messages += [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(turns)]
    answer = await client.chat.completions.create(model="tiny", messages=messages, **options)
    return answer.choices[0].message.content or ""


async def an_agent(api: Api, client: openai.AsyncOpenAI, question: str) -> None:
    """Ask for three candidates side by side, revise one, select."""
    api.worker.go.clear()
    before = len(api.worker.requests)
    drafts = [asyncio.create_task(ask(client, f"Be {how}", question)) for how in ("brief", "terse", "one")]
    await reached(lambda: len(api.worker.requests) == before + 3)
    api.worker.go.set()
    draft, *_ = await asyncio.gather(*drafts)
    revised = await ask(client, "Be terse", question, draft, "two")
    await ask(client, "Be two", question, draft, "two", revised, "one")


async def test_an_agent_that_tags_nothing_is_one_workflow() -> None:
    """Its fan-out is one step, and another question is another workflow."""
    async with recognising() as (api, client):
        await an_agent(api, client, "How many orders")
        await an_agent(api, client, "How many")
        workflows = api.dispatcher.book.workflows
        assert len(workflows) == 2
        second = workflows[api.controller.records.open_ids()[-1]]
        assert [len(record.entries) for record in api.latest(2)] == [5, 5]
        assert sum(second.visits.values()) <= 5
        assert {entry.stage[:5] for entry in api.latest(1)[0].entries} == {"auto-"}


async def test_parallel_calls_of_one_stage_are_one_visit() -> None:
    """Once the stage has its name."""
    async with recognising() as (api, client):
        for question in ("one", "two"):
            await ask(client, "Be brief", question)
        api.worker.go.clear()
        before = len(api.worker.requests)
        calls = [asyncio.create_task(ask(client, "Be brief", "How many orders")) for _ in range(4)]
        await reached(lambda: len(api.worker.requests) == before + 4)
        api.worker.go.set()
        await asyncio.gather(*calls)
        workflow = api.dispatcher.book.workflows[api.controller.records.open_ids()[-1]]
        assert list(workflow.visits.values()) == [1]


async def test_clients_with_other_keys_are_others() -> None:
    """As the key in the header says."""
    async with recognising() as (api, client):
        await ask(client, "Be brief", "one")
        await ask(client, "Be brief", "one", extra_headers={"Authorization": "Bearer other"})
        await ask(client, "Be brief", "one", user="ann")
        assert len(api.controller.records.open_ids()) == 3


async def test_what_is_said_is_not_guessed() -> None:
    """A named workflow, a named stage, a deadline of the call's own."""
    async with recognising() as (api, client):
        named: Any = {"extra_body": {"workflow": {"id": "w", "stage": "draft"}}}
        own: Any = {"extra_body": {"workflow": {"slo_seconds": 30}}}
        for _ in range(2):
            await ask(client, "Be brief", "one", **named)
        await ask(client, "Be brief", "one", **own)
        assert api.controller.records.open_ids() == ["w"]
        assert [entry.stage for entry in api.latest(1)[0].entries] == ["draft", "draft"]


async def test_texts_have_stages_and_stand_alone() -> None:
    """Completions and /generate: told by the first line."""
    async with recognising() as (api, client):
        for question in ("one", "two", "two"):
            await client.completions.create(model="tiny", prompt=f"Be brief\n{question}")
        await api.client.post("/generate", json={"text": "Be brief\nHow many"})
        await api.client.post("/generate", json={"input_ids": [1, 2]})
        stages = [record.entries[0].stage for record in reversed(api.latest(5))]
        assert stages[0] == "other"
        assert len(set(stages[1:4])) == 1
        assert stages[1].startswith("auto-")
        assert stages[4] == "generate"
        assert api.controller.records.open_ids() == []


async def test_switched_off_calls_stand_alone() -> None:
    """As before."""
    async with openai_stack() as (api, client, _):
        await ask(client, "Be brief", "one")
        (record,) = api.latest(1)
        assert (record.spec.kind, record.entries[0].stage) == ("call", "generate")
