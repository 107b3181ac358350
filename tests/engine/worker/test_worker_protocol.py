"""The worker's protocol in this process, on a clock of the test's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.wire.messages import (
    AbortRequest,
    Drop,
    Failed,
    Finished,
    FirstTokenReady,
    Heartbeat,
    Hello,
    Ping,
    Shutdown,
    Welcome,
    WireMessage,
)
from engine.worker.lease import Lease, LeaseReader
from engine.worker.simulated_runtime import SimulatedRuntime
from engine.worker.worker_protocol import WorkerProtocol
from sched.clock import ManualClock
from tests.engine.fake_controller import rid
from tests.engine.worker_process import ENDLESS, PROMPT, SLOW, generate, hello, simulated_spec
from tests.waiting import GUARD_SECONDS, reached

SPEC = simulated_spec(heartbeat_seconds=0.01, orphan_seconds=60.0, engine_args=SLOW)
HELLO = hello("sim", simulated=True)


class Sent:
    """What a worker sends to its controller."""

    def __init__(self) -> None:
        self.messages: list[WireMessage] = []

    def send(self, message: WireMessage) -> bool:
        self.messages.append(message)
        return True

    def count(self, kind: type[WireMessage]) -> int:
        return sum(isinstance(message, kind) for message in self.messages)


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[SimulatedRuntime]:
    runtime = SimulatedRuntime(SPEC, tmp_path)
    await runtime.open()
    yield runtime
    runtime.shutdown()


async def test_a_long_preparation_is_no_silence(runtime: SimulatedRuntime) -> None:
    """The controller can't answer before it is greeted."""
    clock, sent = ManualClock(), Sent()
    protocol = WorkerProtocol(SPEC, HELLO, runtime, sent.send, clock)
    clock.advance(SPEC.orphan_seconds + 1.0)
    task = asyncio.create_task(protocol.run())
    await reached(lambda: task.done() or sent.count(Hello) > 0)
    protocol.receive(Welcome(epoch="e", fresh=False))
    await reached(lambda: task.done() or sent.count(Heartbeat) > 0)
    assert not task.done()
    task.cancel()


async def test_a_lost_controller_ends_it(runtime: SimulatedRuntime) -> None:
    """Silence makes it say hello again; when that lasts too long it ends, and running requests are told."""
    clock, sent = ManualClock(), Sent()
    protocol = WorkerProtocol(SPEC, HELLO, runtime, sent.send, clock)
    task = asyncio.create_task(protocol.run())
    protocol.receive(Welcome(epoch="e", fresh=False))
    protocol.receive(generate("r", PROMPT, sampling=ENDLESS))
    await reached(lambda: sent.count(FirstTokenReady) > 0 and sent.count(Heartbeat) > 0)

    async def pass_time(seconds: float) -> None:
        """The worker looks at its clock at every heartbeat, or it would have been stopped itself."""
        clock.advance(seconds)
        before = sent.count(Hello) + sent.count(Heartbeat)
        await reached(lambda: task.done() or sent.count(Hello) + sent.count(Heartbeat) > before + 1)

    for _ in range(12):
        await pass_time(5.0)
    greeted = sent.count(Hello)
    await reached(lambda: sent.count(Hello) > greeted + 1)
    assert not task.done()
    await pass_time(1.0)
    async with asyncio.timeout(GUARD_SECONDS):
        ending = await task
    assert (ending.reason, ending.failed) == ("no sign of a controller for 61 s", False)
    failed = sent.messages[-1]
    assert isinstance(failed, Failed)
    assert (failed.rid, failed.code) == (rid("r"), "unavailable")


async def test_a_worker_that_was_stopped_has_missed_nothing(runtime: SimulatedRuntime) -> None:
    """What came meanwhile waits: it doesn't end, as if nobody had spoken."""
    clock, sent = ManualClock(), Sent()
    protocol = WorkerProtocol(SPEC, HELLO, runtime, sent.send, clock)
    task = asyncio.create_task(protocol.run())
    protocol.receive(Welcome(epoch="e", fresh=False))
    await reached(lambda: sent.count(Heartbeat) > 0)
    clock.advance(3600.0)
    beats = sent.count(Heartbeat)
    greeted = sent.count(Hello)
    await reached(lambda: task.done() or sent.count(Hello) > greeted)
    protocol.receive(Welcome(epoch="e", fresh=False))
    await reached(lambda: task.done() or sent.count(Heartbeat) > beats + 1)
    assert not task.done()
    task.cancel()


async def test_without_a_launcher_it_waits_less_for_a_controller(runtime: SimulatedRuntime) -> None:
    """Nobody would start one again."""
    clock, sent = ManualClock(), Sent()
    protocol = WorkerProtocol(SPEC, HELLO, runtime, sent.send, clock)
    task = asyncio.create_task(protocol.run())
    await reached(lambda: sent.count(Hello) > 0)
    protocol.receive(Welcome(epoch="e", fresh=False))
    protocol.heartbeats.launcher_lost()
    for _ in range(3):
        assert not task.done()
        clock.advance(4.0)
        before = len(sent.messages)
        await reached(lambda: task.done() or len(sent.messages) > before + 1)  # noqa: B023
    async with asyncio.timeout(GUARD_SECONDS):
        assert (await task).reason == "no sign of a controller for 12 s"


async def test_what_the_controller_gave_up_is_ended(runtime: SimulatedRuntime) -> None:
    """The worker serves on: it may be taken back."""
    sent = Sent()
    protocol = WorkerProtocol(SPEC, HELLO, runtime, sent.send)
    task = asyncio.create_task(protocol.run())
    protocol.receive(generate("r", PROMPT, sampling=ENDLESS))
    await reached(lambda: sent.count(FirstTokenReady) > 0)
    protocol.receive(Drop())
    await reached(lambda: sent.count(Failed) > 0)
    (failed,) = (message for message in sent.messages if isinstance(message, Failed))
    assert (failed.code, failed.message) == ("cancelled", "the controller gave the runtime up")
    protocol.receive(generate("next", PROMPT))
    await reached(lambda: sent.count(Finished) > 0)
    assert not task.done()
    task.cancel()


@pytest.mark.parametrize("given_up", [True, False])
async def test_a_worker_that_stood_still_begins_nothing_before_it_knows_what_it_is(
    runtime: SimulatedRuntime, given_up: bool
) -> None:
    """What was sent meanwhile runs elsewhere if it was given up; if not, all but what was aborted is done."""
    clock, sent = ManualClock(), Sent()
    protocol = WorkerProtocol(SPEC, HELLO, runtime, sent.send, clock)
    task = asyncio.create_task(protocol.run())
    protocol.receive(Welcome(epoch="e", fresh=True))
    await reached(lambda: sent.count(Heartbeat) > 0)
    clock.advance(10.0)
    greeted = sent.count(Hello)
    for message in (generate("kept", PROMPT), generate("gone", PROMPT), AbortRequest(rid=rid("gone"))):
        protocol.receive(message)
    await reached(lambda: sent.count(Hello) > greeted)
    assert (await runtime.load()).running == (await runtime.load()).waiting == 0
    if given_up:
        protocol.receive(Drop())
    protocol.receive(Welcome(epoch="e", fresh=given_up))
    protocol.receive(generate("next", PROMPT))
    await reached(lambda: sent.count(Finished) == (1 if given_up else 2))
    ended = [m for m in sent.messages if isinstance(m, Finished | Failed)]
    names = ["next"] if given_up else ["kept", "gone", "next"]
    assert {m.rid for m in ended} == set(map(rid, names))
    assert [m.rid for m in ended if isinstance(m, Failed)] == ([] if given_up else [rid("gone")])
    assert not task.done()
    task.cancel()


async def test_a_worker_that_is_at_fault_fails(runtime: SimulatedRuntime) -> None:
    """The controller says what is wrong, and that is the ending's reason."""
    protocol = WorkerProtocol(SPEC, HELLO, runtime, Sent().send)
    protocol.receive(Shutdown(grace_seconds=0.0, fault="its scheduler hangs"))
    async with asyncio.timeout(GUARD_SECONDS):
        ending = await protocol.run()
    assert (ending.reason, ending.failed) == ("its scheduler hangs", True)


async def test_a_broken_connection_ends_what_runs(runtime: SimulatedRuntime) -> None:
    """It is soon run elsewhere, or retried.  What comes next waits until the controller knows of it."""
    sent = Sent()
    protocol = WorkerProtocol(SPEC, HELLO, runtime, sent.send, ManualClock())
    task = asyncio.create_task(protocol.run())
    protocol.receive(Welcome(epoch="e", fresh=False))
    protocol.receive(generate("before", PROMPT, sampling=ENDLESS))
    await reached(lambda: sent.count(FirstTokenReady) == 1)
    protocol.link_cut()
    await reached(lambda: sent.count(Failed) == 1)
    (failed,) = (message for message in sent.messages if isinstance(message, Failed))
    assert (failed.rid, failed.code) == (rid("before"), "unavailable")
    await reached(lambda: isinstance(sent.messages[-1], Hello) and sent.messages[-1].connection == 1)
    protocol.receive(generate("lost", PROMPT))
    protocol.receive(Welcome(epoch="e", fresh=False))  # an answer to what was said before the break
    assert not protocol._running
    protocol.receive(Welcome(epoch="e", fresh=True, connection=1))
    protocol.receive(generate("after", PROMPT))
    await reached(lambda: sent.count(Finished) > 0 or sent.count(FirstTokenReady) > 1)
    assert set(protocol._running) <= {rid("after")}
    assert not any(message.rid == rid("lost") for message in sent.messages)
    task.cancel()


async def test_the_scheduler_is_told_whether_the_controller_counts_on_it(
    runtime: SimulatedRuntime, tmp_path: Path
) -> None:
    """After a standstill, or a broken connection, not before it has said who it is and was answered."""
    clock, sent = ManualClock(), Sent()
    lease, reader = Lease(tmp_path, clock), LeaseReader(tmp_path, clock)
    protocol = WorkerProtocol(SPEC, HELLO, runtime, sent.send, clock, lease)
    protocol.receive(Welcome(epoch="e"))
    protocol.receive(Ping(epoch="e"))
    clock.advance(1.9)
    protocol.receive(Ping(epoch="e"))
    clock.advance(1.9)
    assert reader.holds()
    clock.advance(1.0)
    assert not reader.holds()
    protocol.receive(Ping(epoch="e"))
    assert not reader.holds(), "it was sent while the worker stood still"
    protocol.receive(Welcome(epoch="e"))
    assert reader.holds()
    protocol.link_cut()
    protocol.receive(Ping(epoch="e"))
    assert not reader.holds()
    protocol.receive(Welcome(epoch="e", fresh=True, connection=1))
    assert reader.holds()
