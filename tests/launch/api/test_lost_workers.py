"""What the controller makes of workers that die, fall silent and come back."""

from __future__ import annotations

import asyncio
from array import array

import pytest

from engine.controller.core_driver import CoreDriver
from engine.wire import messages as msg
from engine.wire.worker_ended import WorkerEnded
from sched.clock import ManualClock
from sched.liveness import LifeLimits
from tests.launch.api.api_fakes import FakeWorker
from tests.launch.api.api_stack import Api, api_stack, events
from tests.waiting import reached

FAKE_PID = 1


def _driver(api: Api) -> CoreDriver:
    return api.controller._driver


def _died(api: Api, pid: int = FAKE_PID, runtime: str = "r0") -> None:
    """Tell the controller, as the launcher does, that a process ended."""
    ended = WorkerEnded(pid=pid, runtime=runtime, how="SIGKILL", failed_starts=2, restart_seconds=4.0)
    _driver(api).watch.worker_ended(WorkerEnded.from_message(ended.to_message()))


def _kinds(worker: FakeWorker) -> list[str]:
    """Return the kinds of the messages of interest here that ``worker`` received."""
    interesting = msg.Introduce | msg.Welcome | msg.Generate | msg.Drop | msg.Shutdown
    return [message.kind for message in worker.received if isinstance(message, interesting)]


async def test_a_dead_worker_is_not_waited_for() -> None:
    """Its call runs on another runtime at once; the timeline says where, and in which attempt."""
    async with api_stack(("r0", "r1")) as api:
        first, second = api.workers
        first.stalls = True
        first.go.clear()
        call = asyncio.create_task(api.generate(workflow={"id": "agent-7", "last": True}))
        await reached(lambda: bool(first.requests))
        _died(api)
        assert (await call).status_code == 200
        (entry,) = (await api.client.get("/v1/workflows/agent-7")).json()["timeline"]
        assert (entry["runtime"], entry["attempts"]) == ("r1", 2)
        assert first.requests[0].rid != second.requests[0].rid
        missing = (await api.client.get("/workers")).json()["workers"][0]
        assert missing == {
            "name": "r0",
            "status": "missing",
            "ended": "SIGKILL",
            "failed_starts": 2,
            "restart_seconds": 4.0,
        }


async def test_a_runtime_without_a_worker_is_not_sent_to() -> None:
    """Between its loss and the core's learning of it, calls go on to another runtime."""
    async with api_stack(("r0", "r1")) as api:
        api.controller.workers.remove(api.controller.workers.known("r0"))
        answers = await asyncio.gather(*(api.generate(text=f"call {i}") for i in range(4)))
        assert {answer.status_code for answer in answers} == {200}
        assert not api.workers[0].requests
        assert len(api.workers[1].requests) == 4


async def test_a_decision_that_cannot_be_carried_out_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The link fails at the first of two aborts: both calls are settled all the same, and the error shows."""
    async with api_stack() as api:
        api.worker.stalls = True
        api.worker.go.clear()
        tag = {"id": "agent-7", "siblings": 2}
        calls = [asyncio.create_task(api.generate(workflow=tag)) for _ in range(2)]
        await reached(lambda: len(api.worker.requests) == 2)
        link, failed = _driver(api)._link, list[msg.WireMessage]()
        send = link.send

        def broken(identity: bytes, message: msg.WireMessage) -> bool:
            if isinstance(message, msg.AbortRequest) and not failed:
                failed.append(message)
                raise RuntimeError("the link is broken")
            return send(identity, message)

        monkeypatch.setattr(link, "send", broken)
        with pytest.raises(RuntimeError, match="the link is broken"):
            api.controller.cancel_workflow("agent-7", "no longer needed")
        assert {response.status_code for response in await asyncio.gather(*calls)} == {499}
        assert api.controller.calls_in_flight == 0
        assert len(api.worker.aborted) == 1


async def test_the_death_of_a_stranger_changes_nothing() -> None:
    """A process that is no worker, or no longer one, is none of the controller's."""
    async with api_stack() as api:
        _died(api, pid=4711, runtime="unknown")
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
        _died(api)
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
        await reached(lambda: not api.controller.workers.missing)
        worker.link.from_worker(b"r0", beat)
        await reached(lambda: api.controller.workers.describe()[0]["running"] == 1)
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


def _beat(worker: FakeWorker, still_seconds: float = 0.0) -> None:
    """Have a worker report that its scheduler has stood still for so long."""
    beat = msg.Heartbeat(
        runtime=worker.name,
        running=1,
        waiting=0,
        used_tokens=1,
        scheduler_steps=1,
        still_seconds=still_seconds,
    )
    worker.link.from_worker(worker.name.encode(), beat)


def _status(api: Api) -> list[str]:
    return [worker["status"] for worker in api.controller.workers.describe()]


async def test_a_hung_scheduler_is_fenced_and_taken_back_when_it_lives() -> None:
    """Its call runs elsewhere at once; what the woken one still says isn't used, and it begins anew."""
    async with api_stack(("r0", "r1")) as api:
        first, second = api.workers
        first.stalls = True
        first.go.clear()
        call = asyncio.create_task(api.generate(workflow={"id": "agent-7", "last": True}))
        await reached(lambda: bool(first.requests))
        _beat(first, still_seconds=1.9)
        _beat(second)
        await reached(lambda: api.controller.workers.describe()[1]["running"] == 1)
        assert _status(api) == ["ready", "ready"]
        _beat(first, still_seconds=2.0)
        assert (await call).status_code == 200
        assert _status(api) == ["hung", "ready"]
        assert (await api.client.get("/readiness")).json()["missing"] == ["r0"]
        assert [request.rid == first.requests[0].rid for request in second.requests] == [False]
        assert _kinds(first)[-1] == "drop"
        for _ in range(3):
            assert (await api.generate()).status_code == 200
        assert len(first.requests) == 1, "nothing new is sent there"
        first.go.set()  # it answers after all
        _beat(first, still_seconds=0.0)
        await reached(lambda: _kinds(first)[-1] == "introduce")
        first.hello()
        await reached(lambda: _status(api) == ["ready", "ready"])
        (welcome,) = (m for m in first.received[1:] if isinstance(m, msg.Welcome))
        assert welcome.fresh, "it ends whatever it still runs"
        (entry,) = (await api.client.get("/v1/workflows/agent-7")).json()["timeline"]
        assert (entry["runtime"], entry["attempts"], entry["state"]) == ("r1", 2, "finished")
        assert api.notices == [
            "runtime r0 was lost: its scheduler has shown no sign of life for 2.0 s",
            "runtime r0 serves again",
        ]


async def test_a_long_pass_is_awaited() -> None:
    """A prompt whose prefill is predicted to take long gives its runtime three times as long."""
    async with api_stack(window_tokens=100_000) as api:
        worker = api.worker
        worker.stalls = True
        worker.go.clear()
        latency = api.dispatcher.runtimes["r0"].latency
        latency._rate = 1.0  # seconds per token
        call = asyncio.create_task(api.generate())
        await reached(lambda: bool(worker.requests))
        predicted = api.dispatcher.runtimes["r0"].pass_seconds()
        assert predicted >= 3.0, "three words"
        _beat(worker, still_seconds=3 * predicted - 1.1)
        _beat(worker, still_seconds=0.5)
        await reached(lambda: api.controller.workers.describe()[0]["still_seconds"] == 0.5)
        assert _status(api) == ["ready"]
        _beat(worker, still_seconds=3 * predicted - 1.0)
        await reached(lambda: _status(api) == ["hung"])
        call.cancel()


async def test_a_runtime_that_hangs_for_too_long_has_to_end() -> None:
    """It is told so once, and with the reason; until its process ends it isn't taken back."""
    clock = ManualClock()
    life = LifeLimits(kill_seconds=5.0)
    async with api_stack(clock=clock, limits_of_life=life) as api:
        worker, watch = api.worker, _driver(api).watch
        _beat(worker, still_seconds=2.0)
        await reached(lambda: _status(api) == ["hung"])
        for passed in range(1, 8):
            clock.advance(1.0)
            _beat(worker, still_seconds=2.0 + passed)
            await reached(lambda: api.controller.workers.describe()[0]["still_seconds"] == 2.0 + passed)  # noqa: B023
            watch.beat()
            assert _kinds(worker).count("shutdown") == (passed > 5)
        (shutdown,) = (m for m in worker.received if isinstance(m, msg.Shutdown))
        assert (shutdown.grace_seconds, shutdown.fault) == (0.0, "its scheduler shows no sign of life")
        _beat(worker, still_seconds=0.0)
        await reached(lambda: api.controller.workers.describe()[0]["still_seconds"] == 0.0)
        assert _status(api) == ["hung"]
        assert "introduce" not in _kinds(worker)
        _died(api)
        assert _status(api) == ["missing"]


async def test_silent_workers_are_lost_and_told_to_drop_what_they_have() -> None:
    """However many at once: no call is lost, and one that wakes up runs nothing twice."""
    clock = ManualClock()
    async with api_stack(
        ("r0", "r1", "r2"), clock=clock, limits_of_life=LifeLimits(lost_seconds=10.0)
    ) as api:
        for worker in api.workers[:2]:
            worker.stalls = True
            worker.go.clear()
        calls = [asyncio.create_task(api.generate()) for _ in range(3)]
        await reached(lambda: all(worker.requests for worker in api.workers[:2]))
        for _ in range(11):
            clock.advance(1.0)
            _beat(api.workers[2])
            last = clock()
            await reached(lambda: api.controller.workers.known("r2").last_seen == last)  # noqa: B023
        _driver(api).watch.beat()
        assert [(await call).status_code for call in calls] == [200, 200, 200]
        assert _status(api) == ["missing", "missing", "ready"]
        for worker in api.workers[:2]:
            assert _kinds(worker)[-1] == "drop"
            _beat(worker)
            await reached(lambda: _kinds(worker)[-1] == "introduce")  # noqa: B023


async def test_a_controller_that_was_stopped_loses_nobody() -> None:
    """It heard nothing because it didn't listen."""
    clock = ManualClock()
    async with api_stack(clock=clock, limits_of_life=LifeLimits(lost_seconds=10.0)) as api:
        clock.advance(3600.0)
        _driver(api).watch.beat()
        assert _status(api) == ["ready"]
