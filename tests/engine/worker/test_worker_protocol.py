"""The worker's protocol in this process, on a clock of the test's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.wire.messages import Failed, FirstTokenReady, Heartbeat, Hello, Welcome, WireMessage
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
    clock.advance(SPEC.orphan_seconds)
    greeted = sent.count(Hello)
    await reached(lambda: sent.count(Hello) > greeted + 1)
    assert not task.done()
    clock.advance(1.0)
    async with asyncio.timeout(GUARD_SECONDS):
        ending = await task
    assert (ending.reason, ending.failed) == ("no sign of a controller for 61 s", False)
    failed = sent.messages[-1]
    assert isinstance(failed, Failed)
    assert (failed.rid, failed.code) == (rid("r"), "unavailable")
