"""How soon the supervisor starts children again, and when it gives up, without processes and in no time."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

from launch.server.progress import Progress
from launch.server.restart_backoff import RestartLimits
from launch.server.starter import ChildSpec, Family
from launch.server.supervisor import Supervisor
from launch.server.time_limits import TimeLimits
from sched.clock import ManualClock
from tests.launch.server.fake_starter import DIES_EARLY, NEVER_READY, NO_START, FakeProcess, FakeStarter
from tests.waiting import GUARD_SECONDS, reached

LIMITS = TimeLimits(
    start_seconds=GUARD_SECONDS, drain_seconds=GUARD_SECONDS, kill_seconds=30.0, look_seconds=0.01
)
RESTARTS = RestartLimits(
    worker_backoff_seconds=1.0,
    worker_longest_seconds=5.0,
    controller_backoff_seconds=0.25,
    controller_longest_seconds=1.0,
    steady_seconds=60.0,
    hopeless_starts=3,
)


class _Problems(Progress):
    """Keeps what went wrong."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def problem(self, sentence: str) -> None:
        self.said.append(sentence)


class _Run:
    """One run of a supervisor whose children live as ``lives`` says; what it waited."""

    def __init__(self, **lives: list[float]) -> None:
        self.delays: list[float] = []
        self._progress = _Problems()
        self.problems = self._progress.said
        self.clock = ManualClock()
        self.starter = FakeStarter(self.clock, lives)
        workers = [label for label in lives if label != "c"] or ["w"]
        self._family = Family(_spec("c"), [_spec(label) for label in workers])
        self._supervisor = Supervisor(
            self._family_in,
            self.starter,
            LIMITS,
            self._progress,
            str,
            RESTARTS,
            clock=self.clock,
            sleep=self._sleep,
        )

    async def to_the_end(self) -> int:
        """Run until the supervisor gives up."""
        return await self._supervisor.run()

    async def until_started(self, label: str, times: int) -> FakeProcess:
        """Run until a child was started so often, then until the drain after a signal; return its process."""
        running = asyncio.create_task(self.to_the_end())
        await reached(lambda: running.done() or len(self.starter.started[label]) == times)
        await asyncio.sleep(0.05)  # nothing else happens
        process = self.starter.started[label][-1]
        assert process.exit_code is None
        self._supervisor._on_signal(signal.SIGTERM)
        assert await running == 0
        return process

    def _family_in(self, _folder: Path) -> Family:
        return self._family

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)


def _spec(label: str) -> ChildSpec:
    return ChildSpec(label=label, command=(), line=b"", runtime="" if label == "c" else f"runtime-{label}")


async def test_the_wait_doubles_up_to_the_longest() -> None:
    """However often a worker dies, it is started again, and the controller is told what there is to know."""
    run = _Run(w=[0.0] * 6)
    await run.until_started("w", 7)
    assert run.delays == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    (controller,) = run.starter.started["c"]
    told = [json.loads(line)["ended"] for line in controller.written]
    assert told == [
        {
            "pid": worker.pid,
            "runtime": "runtime-w",
            "how": "exit code 3",
            "failed_starts": 0,
            "restart_seconds": delay,
        }
        for worker, delay in zip(run.starter.started["w"], run.delays, strict=False)
    ]
    assert run.problems[:2] == [
        "w died (exit code 3) and is started again in 1 s",
        "w died (exit code 3) and is started again in 2 s",
    ]


async def test_a_child_that_was_steady_begins_anew() -> None:
    """Deaths are paced, not counted: the controller of a server that goes on may die any number of times."""
    run = _Run(c=[0.0, 0.0, 0.0, 0.0, 59.0, 60.0, 600.0, 0.0])
    await run.until_started("c", 9)
    assert run.delays == [0.25, 0.5, 1.0, 1.0, 1.0, 0.25, 0.25, 0.5]
    (worker,) = run.starter.started["w"]
    assert worker.exit_code == 0, "it lived on, and was asked to end"


async def test_a_runtime_that_dies_at_every_start_is_started_on_and_on() -> None:
    """The others serve; the controller, a new one too, knows what it is about."""
    run = _Run(w=[0.0, DIES_EARLY, NO_START, DIES_EARLY, DIES_EARLY, DIES_EARLY], v=[], c=[])
    await run.until_started("w", 6)
    assert run.delays == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    (controller,) = run.starter.started["c"]
    told = [json.loads(line)["ended"] for line in controller.written]
    assert [ended["failed_starts"] for ended in told] == [0, 1, 2, 3, 4, 5]
    assert [ended["how"] for ended in told[:3]] == [
        "exit code 3",
        "w ended while starting (exit code 3)",
        "no room for w",
    ]


async def test_a_new_controller_learns_what_the_old_one_knew() -> None:
    """A runtime that is missing then was told to the old one."""
    run = _Run(w=[0.0, DIES_EARLY, NEVER_READY], v=[], c=[])
    running = asyncio.create_task(run.to_the_end())
    await reached(lambda: len(run.starter.started["w"]) == 3)
    run.starter.started["c"][0].end(9)
    await reached(lambda: len(run.starter.started["c"]) == 2 and bool(run.starter.started["c"][1].written))
    (line,) = run.starter.started["c"][1].written
    assert json.loads(line)["ended"]["failed_starts"] == 1
    run._supervisor._on_signal(signal.SIGTERM)
    assert await running == 0


async def test_without_any_runtime_that_starts_the_server_ends() -> None:
    """None has been ready in its last three starts."""
    run = _Run(w=[0.0, *[NO_START] * 9], v=[0.0, *[NO_START] * 9])
    assert await run.to_the_end() == 1
    assert run.problems[-1] == "every runtime failed in 3 starts in a row, so the server stops"
    assert run.starter.started["c"][0].exit_code == 0


async def test_without_a_controller_that_starts_the_server_ends() -> None:
    """The workers are asked to end."""
    run = _Run(c=[0.0, NO_START, DIES_EARLY, NO_START])
    assert await run.to_the_end() == 1
    assert run.delays == [0.25, 0.5, 1.0, 1.0]
    (worker,) = run.starter.started["w"]
    assert worker.exit_code == 0, "it was asked to end, not killed"
    assert run.problems[-1] == "c failed in 3 starts in a row, so the server stops"


async def test_a_first_start_that_fails_ends_the_server() -> None:
    """Nothing is tried again before the server was ready once."""
    run = _Run(w=[NO_START])
    assert await run.to_the_end() == 1
    assert (run.delays, run.problems) == ([], ["no room for w"])
    (controller,) = run.starter.started["c"]
    assert controller.exit_code == 0


async def test_a_child_that_falls_silent_is_killed_and_started_again() -> None:
    """One that has never shown a sign of life isn't expected to, and a stopped launcher kills nobody."""
    run = _Run(w=[], v=[], c=[])
    running = asyncio.create_task(run.to_the_end())
    await reached(lambda: "w" in run.starter.started and run.starter.said_ready >= 3)
    worker, other = run.starter.started["w"][0], run.starter.started["v"][0]
    worker.show_life()
    await asyncio.sleep(0.05)  # it is looked at
    run.clock.advance(3600.0)
    await asyncio.sleep(0.05)
    assert worker.exit_code is None
    for _ in range(9):
        worker.show_life()
        run.clock.advance(3.0)
        await asyncio.sleep(0.05)
    assert worker.exit_code is None
    while worker.exit_code is None:
        run.clock.advance(3.0)
        await asyncio.sleep(0.02)
    assert other.exit_code is None
    await reached(lambda: len(run.starter.started["w"]) == 2)
    assert run.problems[0] == "w has shown no sign of life for 30 s: killed"
    assert run.problems[1] == "w died (SIGKILL) and is started again in 1 s"
    run._supervisor._on_signal(signal.SIGTERM)
    assert await running == 0
