"""One soak: a real controller over real links before faulty runtimes, in rounds with silence between."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.controller.controller import Controller
from engine.controller.core_driver import CoreDriver, DriverOptions
from engine.controller.worker_table import WorkerTable
from engine.wire.link import RouterLink
from launch.bench.cost.probe_load import BenchError
from launch.bench.endurance.faulty_runtimes import Chaos, FaultyRuntime, Ledger, Misbehaviour
from launch.bench.endurance.soak_clients import SoakClients
from launch.bench.endurance.steadiness import SoakSample, sample
from launch.shipped import admission_registry, ordering_registry, placement_registry
from sched.dispatcher import Dispatcher
from sched.limits import CoreLimits
from sched.liveness import LifeLimits

_BEAT_SECONDS = 0.1
_LOST_AFTER_SECONDS = 1.5
_TICK_SECONDS = 0.1
_QUIET_SECONDS = 60.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakPlan:
    """How long and how hard: ``calls`` in ``rounds``, by ``clients`` at a time on ``runtimes``."""

    calls: int = 200_000
    rounds: int = 40
    clients: int = 64
    runtimes: int = 8
    window_tokens: int = 1_000
    max_waiting_calls: int = 120
    placement: str = "sluice"
    ordering: str = "adaptive"
    admission: str = "slo_aware"
    seed: int = 0
    misbehaviour: Misbehaviour = field(default_factory=Misbehaviour)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakReport:
    """What came of it.  ``lost``: calls without an end, or that the controller still holds."""

    calls: int
    lost: int
    run_twice: int
    sent_twice: int
    outcomes: Mapping[str, int]
    workflows: Mapping[str, int]
    faults: Mapping[str, int]
    samples: list[SoakSample]
    seconds: float

    @property
    def is_sound(self) -> bool:
        """Whether every call had its own answer or a clear error, once."""
        return not (self.lost or self.run_twice or self.sent_twice or self.outcomes.get("wrong answer"))


async def soak(plan: SoakPlan, show: Callable[[SoakSample], None] = lambda _: None) -> SoakReport:
    """Run it; ``show`` is told each sample.

    Raises:
        BenchError: the controller or a runtime doesn't come to rest.
    """
    with TemporaryDirectory(prefix="sluice-soak-") as folder:
        run = _SoakRun(plan, Path(folder))
        try:
            return await run.rounds(show)
        finally:
            await run.close()


class BeatClock:
    """Seconds as the runtimes' hearts beat.

    It stands still while the process is kept from beating, so that no runtime is given up that had no chance
    to be heard.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._beat_at = time.monotonic()

    def __call__(self) -> float:
        """Return the present time."""
        return self._now + min(_BEAT_SECONDS, time.monotonic() - self._beat_at)

    def beat(self) -> None:
        """Note a beat."""
        self._now, self._beat_at = self(), time.monotonic()


class _SoakRun:
    def __init__(self, plan: SoakPlan, folder: Path) -> None:
        epoch, endpoint = uuid.uuid4().hex, f"ipc://{folder / 'link'}"
        rng = random.Random(plan.seed)
        self._plan = plan
        self._ledger = Ledger(epoch)
        self.dispatcher = Dispatcher(
            placement_registry().load(plan.placement),
            ordering_registry().load(plan.ordering),
            CoreLimits(window_tokens=plan.window_tokens, max_waiting_calls=plan.max_waiting_calls),
            admission=admission_registry().load(plan.admission),
        )
        names = [f"r{i}" for i in range(plan.runtimes)]
        options = DriverOptions(epoch=epoch, tick_seconds=_TICK_SECONDS)
        self._clock = BeatClock()
        limits = LifeLimits(lost_seconds=_LOST_AFTER_SECONDS)
        workers = WorkerTable(names, allow_simulated=True, limits=limits, clock=self._clock)
        self._driver = CoreDriver(RouterLink(endpoint), self.dispatcher, workers, options, clock=self._clock)
        self._controller = Controller(self._driver)
        pids = itertools.count(1)
        self._runtimes = [
            FaultyRuntime(n, endpoint, self._ledger, plan.misbehaviour, random.Random(rng.random()), pids)
            for n in names
        ]
        self._chaos = Chaos(
            self._runtimes,
            random.Random(rng.random()),
            self._driver.watch.worker_ended,
            self._ledger.done,
            most_away=max(1, plan.runtimes * 3 // 8),
        )
        self._clients = SoakClients(self._controller, random.Random(rng.random()), self._chaos.call_began)
        self._hearts: asyncio.Task[None] | None = None

    async def rounds(self, show: Callable[[SoakSample], None]) -> SoakReport:
        began = time.monotonic()
        self._driver.start()
        for runtime in self._runtimes:
            runtime.start()
        self._hearts = asyncio.create_task(self._beat(), name="hearts")
        await self._quiet()
        samples: list[SoakSample] = []
        for _ in range(self._plan.rounds):
            await self._clients.calls_made(self._plan.calls // self._plan.rounds, self._plan.clients)
            self._chaos.heal()
            await self._quiet()
            samples.append(sample(self._clients.calls))
            show(samples[-1])
        ends = sum(self._clients.outcomes.values()) + sum(
            count for code, count in self._clients.workflows.items() if code not in ("ended", "cancelled")
        )
        return SoakReport(
            calls=self._clients.calls,
            lost=self._clients.calls - ends + len(self._driver.pending) + len(self.dispatcher.book.calls),
            run_twice=self._ledger.run_twice,
            sent_twice=self._ledger.sent_twice,
            outcomes=dict(sorted(self._clients.outcomes.items())),
            workflows=dict(sorted(self._clients.workflows.items())),
            faults=dict(sorted(Counter(self._ledger.done).items())),
            samples=samples,
            seconds=time.monotonic() - began,
        )

    async def close(self) -> None:
        """End everything."""
        if self._hearts is not None:
            self._hearts.cancel()
            with suppress(asyncio.CancelledError):
                await self._hearts
        for runtime in self._runtimes:
            runtime.die()
        await self._driver.close()

    async def _beat(self) -> None:
        while True:  # ends with close()
            for runtime in self._runtimes:
                runtime.beat()
            self._clock.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    async def _quiet(self) -> None:
        """Wait until all runtimes are up and nothing runs or is believed to run anywhere."""
        until = time.monotonic() + _QUIET_SECONDS
        while unrest := list(self._unrest()):
            if time.monotonic() > until:
                raise BenchError(f"no rest within {_QUIET_SECONDS:g} s: {'; '.join(unrest)}")
            await asyncio.sleep(_LOOK_SECONDS)

    def _unrest(self) -> Iterator[str]:
        """Yield what is not at rest."""
        book = self.dispatcher.book
        for name, left in (
            ("pending", self._driver.pending),
            ("open", book.calls),
            ("known", book.workflows),
        ):
            if left:
                yield f"{len(left)} {name}"
        for runtime in self._runtimes:
            state = self.dispatcher.runtimes.get(runtime.name)
            if not runtime.is_well or runtime.busy:
                yield f"{runtime.name} is {'busy' if runtime.busy else 'away'}"
            elif state is None:
                yield f"{runtime.name} is not placed on"
            elif state.calls or state.sent_tokens or state.held_calls or state.load.backlog:
                calls, tokens = len(state.calls), state.sent_tokens
                yield f"{runtime.name} is believed to have {calls} calls, {tokens} tokens sent"
