"""Whatever a worker reports, the controller goes on, and other runtimes serve what it had."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.controller.calls import CallRequest, PendingCall
from engine.controller.controller import Controller
from engine.controller.core_driver import CoreDriver, DriverOptions
from engine.controller.external_workflows import ExternalWorkflows, WorkflowTag
from engine.controller.prompt_encoder import prompt_from_ids
from engine.controller.timeline import CallEntry
from engine.controller.worker_table import WorkerTable
from engine.wire import codec
from engine.wire import messages as msg
from engine.wire.link import RouterLink
from launch.shipped import ordering_registry, placement_registry
from sched.dispatcher import Dispatcher
from sched.liveness import LifeLimits
from tests.engine.wire.any_messages import frames_of
from tests.engine.worker_process import hello
from tests.waiting import GUARD_SECONDS

REPORTS = [
    *(msg.Hello, msg.Heartbeat, msg.CommandReply, msg.CacheChanged),
    *(msg.FirstTokenReady, msg.Chunk, msg.Finished, msg.Failed, msg.Ping, msg.Generate),
]
EPOCH = "epoch0"
RIDS = st.builds(f"{EPOCH}{{:016x}}{{:02x}}".format, st.integers(0, 2), st.integers(0, 3)) | st.text(
    max_size=30
)
HOSTILE = st.lists(st.sampled_from(REPORTS).flatmap(lambda cls: frames_of(cls, RIDS)), max_size=12)


class Link:
    """What the controller sends, and what arrives: messages through the wire's codec."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[tuple[bytes, msg.WireMessage]] = asyncio.Queue()
        self.sent: list[tuple[bytes, msg.WireMessage]] = []

    async def recv(self) -> tuple[bytes, msg.WireMessage]:
        return await self.arrived.get()

    def send(self, identity: bytes, message: msg.WireMessage) -> bool:
        self.sent.append((identity, codec.decode(codec.encode(message))))
        return True

    def close(self, linger_seconds: float = 1.0) -> None:
        """Nothing is open."""

    def report(self, identity: bytes, frames: list[bytes]) -> None:
        try:
            self.arrived.put_nowait((identity, codec.decode(frames)))
        except codec.BadFrameError:
            return

    async def handled(self) -> None:
        async with asyncio.timeout(GUARD_SECONDS):
            while not self.arrived.empty():  # noqa: ASYNC110 (a queue that another task empties)
                await asyncio.sleep(0)
        await asyncio.sleep(0)


async def served(reports: list[list[bytes]]) -> None:
    """A call is placed on a hostile runtime, which reports; it ends, or another runtime ends it."""
    link = Link()
    dispatcher = Dispatcher(placement_registry().load("least_work"), ordering_registry().load("fcfs"))
    workers = WorkerTable(("a", "b"), allow_simulated=False, limits=LifeLimits(lost_seconds=math.inf))
    driver = CoreDriver(cast(RouterLink, link), dispatcher, workers, DriverOptions(epoch=EPOCH))
    driver.start()
    try:
        link.arrived.put_nowait((b"a", hello("a")))
        await link.handled()
        external = ExternalWorkflows(Controller(driver), default_slo_seconds=60.0)
        first = _call(driver, external, 1)
        for frames in reports:
            link.report(b"a", frames)
        await link.handled()
        second = _call(driver, external, 2)
        link.arrived.put_nowait((b"b", hello("b")))
        driver.watch.dismiss()
        for worker in list(workers._workers.values()):
            if worker.hello.runtime != "b":
                workers.remove(worker)
                driver.watch._lost([worker.hello.runtime], "the test ends it")
        await link.handled()
        for done in (first, second):
            await _finish(link, done)
        assert first.done()
        assert second.done()
    finally:
        await driver.close()
    assert not any(task for task in asyncio.all_tasks() if task.get_name() in ("receive", "tick"))


def _call(driver: CoreDriver, external: ExternalWorkflows, number: int) -> asyncio.Future[object]:
    places = external.enter(WorkflowTag(workflow_id=f"w{number}", stage="s"))
    request = CallRequest(
        place=places[0], stage="s", prompt=prompt_from_ids([1]), sampling={}, max_new_tokens=1
    )
    done = asyncio.get_running_loop().create_future()
    done.add_done_callback(lambda future: future.exception())
    driver.accept(PendingCall(number, request, CallEntry(stage="s", branch=0, ready_at=0.0), done, 60.0))
    return done


async def _finish(link: Link, done: asyncio.Future[object]) -> None:
    """Have ``b`` finish all that it was sent, until ``done``."""
    async with asyncio.timeout(GUARD_SECONDS):
        while not done.done():
            for identity, message in link.sent:
                if identity == b"b" and isinstance(message, msg.Generate):
                    link.arrived.put_nowait((b"b", _answer(message.rid)))
            await link.handled()


def _answer(rid: str) -> msg.Finished:
    return msg.Finished(
        rid=rid,
        text="x",
        finish_reason={"type": "stop"},
        prompt_tokens=1,
        cached_tokens=0,
        output_tokens=1,
        ttft_seconds=0.1,
        total_seconds=0.1,
    )


class Faults(logging.Handler):
    """Keeps what was logged with a traceback: what nobody thought of."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found.append(record)


@settings(max_examples=60)
@given(HOSTILE)
def test_hostile_reports_cost_nobody_else(reports: list[list[bytes]]) -> None:
    """No report of a runtime's breaks a handler, and once it is gone, all calls end."""
    faults = Faults()
    logging.getLogger("engine").addHandler(faults)
    try:
        asyncio.run(served(reports))
    finally:
        logging.getLogger("engine").removeHandler(faults)
    assert [str(record.exc_info) for record in faults.found] == []
