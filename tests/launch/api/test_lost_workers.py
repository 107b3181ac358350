"""What the controller makes of workers that die, fall silent and come back."""

from __future__ import annotations

import asyncio
from array import array

from engine.controller.core_driver import CoreDriver
from engine.wire import messages as msg
from tests.launch.api.api_fakes import FakeWorker
from tests.launch.api.api_stack import Api, api_stack, events
from tests.waiting import reached

FAKE_PID = 1


def _driver(api: Api) -> CoreDriver:
    return api.controller._driver


def _kinds(worker: FakeWorker) -> list[str]:
    """Return the kinds of the messages of interest here that ``worker`` received."""
    interesting = msg.Introduce | msg.Welcome | msg.Generate
    return [message.kind for message in worker.received if isinstance(message, interesting)]


async def test_a_dead_worker_is_not_waited_for() -> None:
    """Its call runs on another runtime at once; the timeline says where, and in which attempt."""
    async with api_stack(("r0", "r1")) as api:
        first, second = api.workers
        first.stalls = True
        first.go.clear()
        call = asyncio.create_task(api.generate(workflow={"id": "agent-7", "last": True}))
        await reached(lambda: bool(first.requests))
        _driver(api).worker_died(FAKE_PID)
        assert (await call).status_code == 200
        (entry,) = (await api.client.get("/v1/workflows/agent-7")).json()["timeline"]
        assert (entry["runtime"], entry["attempts"]) == ("r1", 2)
        assert first.requests[0].rid != second.requests[0].rid
        missing = (await api.client.get("/workers")).json()["workers"][0]
        assert (missing["name"], missing["status"]) == ("r0", "missing")


async def test_the_death_of_a_stranger_changes_nothing() -> None:
    """A process that is no worker, or no longer one, is none of the controller's."""
    async with api_stack() as api:
        _driver(api).worker_died(4711)
        assert (await api.generate()).status_code == 200


async def test_what_was_given_up_is_not_shown() -> None:
    """Output of an attempt whose runtime was given up doesn't reach the client; the next attempt's does."""
    async with api_stack() as api:
        worker = api.worker
        worker.stalls = True
        worker.go.clear()
        call = asyncio.create_task(api.generate(stream=True, workflow={"id": "agent-7"}))
        await reached(lambda: bool(worker.requests))
        old = worker.requests[0].rid
        _driver(api).worker_died(FAKE_PID)
        for late in (
            msg.FirstTokenReady(rid=old, seconds=0.1, cached_tokens=0),
            msg.Chunk(rid=old, text="OLD", token_ids=array("i", [1]).tobytes()),
        ):
            worker.link.from_worker(b"r0", late)
        worker.received.clear()
        worker.go.set()
        worker.hello()
        texts = [data["text"] for _, data in events((await call).text) if data != "[DONE]"]
        assert texts[-1] == "SELECT 1 + 1"
        assert not any("OLD" in text for text in texts)
        assert _kinds(worker)[:2] == ["welcome", "generate"], "a fresh worker ends what came before"
        (welcome,) = (m for m in worker.received if isinstance(m, msg.Welcome))
        assert welcome.fresh


async def test_an_unknown_worker_is_asked_who_it_is() -> None:
    """A heartbeat of a runtime that was given up, or that an earlier controller knew, is answered so."""
    async with api_stack(up=0) as api:
        worker = api.worker
        beat = msg.Heartbeat(runtime="r0", running=1, waiting=0, used_tokens=1, scheduler_steps=1)
        worker.link.from_worker(b"r0", beat)
        await reached(lambda: _kinds(worker) == ["introduce"])
        worker.hello()
        await reached(lambda: api.controller.ready)
        worker.link.from_worker(b"r0", beat)
        await reached(lambda: api.controller.workers.describe(0.0)[0]["running"] == 1)
        assert _kinds(worker) == ["introduce", "welcome"]


async def test_a_worker_that_says_hello_again_keeps_its_calls() -> None:
    """The same process, not given up meanwhile, isn't fresh: nothing is placed again."""
    async with api_stack() as api:
        api.worker.stalls = True
        api.worker.go.clear()
        call = asyncio.create_task(api.generate())
        await reached(lambda: bool(api.worker.requests))
        api.worker.hello()
        await reached(lambda: _kinds(api.worker).count("welcome") == 2)
        (_, again) = (m for m in api.worker.received if isinstance(m, msg.Welcome))
        assert not again.fresh
        api.worker.go.set()
        assert (await call).status_code == 200
        assert len(api.worker.requests) == 1
