"""How often and how soon the supervisor starts children again, without processes and in no time."""

from __future__ import annotations

import json

from launch.server.progress import Progress
from launch.server.restart_backoff import RestartLimits
from launch.server.starter import ChildSpec
from launch.server.supervisor import Family, Supervisor, TimeLimits
from sched.clock import ManualClock
from tests.launch.server.fake_starter import FakeStarter
from tests.waiting import GUARD_SECONDS

FAMILY = Family(ChildSpec(label="c", command=(), line=b""), [ChildSpec(label="w", command=(), line=b"")])
LIMITS = TimeLimits(start_seconds=GUARD_SECONDS, drain_seconds=GUARD_SECONDS)
RESTARTS = RestartLimits(
    restarts=3, window_seconds=300.0, worker_backoff_seconds=1.0, controller_backoff_seconds=0.25
)


class _Problems(Progress):
    """Keeps what went wrong."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def problem(self, sentence: str) -> None:
        self.said.append(sentence)


class _Run:
    """One run of a supervisor whose children live as ``lives`` says, until it gives up; what it waited."""

    def __init__(self, **lives: list[float]) -> None:
        self.delays: list[float] = []
        self._progress = _Problems()
        self.problems = self._progress.said
        self._clock = ManualClock()
        self.starter = FakeStarter(self._clock, lives)

    async def to_the_end(self) -> int:
        supervisor = Supervisor(
            lambda _: FAMILY,
            self.starter,
            LIMITS,
            self._progress,
            str,
            RESTARTS,
            clock=self._clock,
            sleep=self._sleep,
        )
        return await supervisor.run()

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        self._clock.advance(seconds)


async def test_the_wait_doubles_until_the_worker_is_given_up() -> None:
    """The controller is told of each death and goes on."""
    run = _Run(w=[0.0, 0.0, 0.0, 0.0])
    assert await run.to_the_end() == 1
    assert run.delays == [1.0, 2.0, 4.0]
    (controller,) = run.starter.started["c"]
    deaths = [json.loads(line) for line in controller.written]
    assert deaths == [{"died": worker.pid} for worker in run.starter.started["w"]]
    assert run.problems == [
        "w died (exit code 3) and is started again in 1 s",
        "w died (exit code 3) and is started again in 2 s",
        "w died (exit code 3) and is started again in 4 s",
        "w died (exit code 3) and is given up after 4 deaths",
        "no runtime is left, so the server stops",
    ]


async def test_deaths_before_the_window_are_forgotten() -> None:
    """A child that lives for the length of the window starts afresh."""
    run = _Run(w=[300.0, 300.0, 300.0, 300.0, 300.0, 0.0, 0.0, 0.0])
    assert await run.to_the_end() == 1
    assert run.delays == [1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0]


async def test_the_controller_has_a_wait_of_its_own() -> None:
    """The worker lives on until the server stops."""
    run = _Run(c=[0.0, 0.0, 0.0, 0.0])
    assert await run.to_the_end() == 1
    assert run.delays == [0.25, 0.5, 1.0]
    (worker,) = run.starter.started["w"]
    assert worker.exit_code == 0, "it was asked to end, not killed"
    assert run.problems[-1] == "no controller is left, so the server stops"


async def test_a_start_that_fails_counts_as_a_death() -> None:
    """It is tried again, with the next wait."""
    run = _Run(w=[0.0, -1.0, -1.0, -1.0])
    assert await run.to_the_end() == 1
    assert run.delays == [1.0, 2.0, 4.0]
    assert run.problems.count("no room for w") == 3
    assert len(run.starter.started["w"]) == 1


async def test_a_first_start_that_fails_ends_the_server() -> None:
    """Nothing is tried again before the server was ready once."""
    run = _Run(w=[-1.0])
    assert await run.to_the_end() == 1
    assert (run.delays, run.problems) == ([], ["no room for w"])
    (controller,) = run.starter.started["c"]
    assert controller.exit_code == 0
