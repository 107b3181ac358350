"""Live tuning: beside the controller the latest workflows are replayed, and a better setting is taken."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from engine.controller.core_driver import CoreDriver
from launch.controller.recent_workflows import RecentWorkflows
from launch.controller.tuning_round import TuningTask, verdict_of
from launch.server.config import ControllerSpec
from launch.shipped import placement_registry
from sched.errors import ConflictError
from sched.events import PlacementChanged
from sched.runtime import RuntimeState
from sched.sim.batching import SimRuntimeConfig
from sched.sim.hardware import Gpu, gpu_of
from sched.tune.autotune import AutotuneOptions, Autotuner, Recent
from sched.tune.tuner import PolicySetting, TuningVerdict, knobs_of

logger = logging.getLogger(__name__)

_POLL_SECONDS = 5.0
_MOST_SECONDS = 60.0
"""For a round."""


class LiveTuner:
    """Tunes the placement policy of ``spec`` while the server runs; without knobs, or if switched off, it
    only tells its state.

    ``observer`` is what it must be told of workflows.  :meth:`start` needs a running event loop.
    """

    def __init__(self, spec: ControllerSpec) -> None:
        policy = placement_registry().load(spec.config.placement)
        knobs = knobs_of(policy)
        self.enabled = bool(knobs) and not spec.config.no_autotune
        self._spec = spec
        self._recent = Recent(AutotuneOptions())
        self.observer = RecentWorkflows(self._recent)
        self._tuner = Autotuner(PolicySetting.of(spec.config.placement, policy), knobs)
        self._latest: TuningVerdict | None = None
        self._driver: CoreDriver | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, driver: CoreDriver) -> None:
        """Begin to tune ``driver``'s dispatcher."""
        self._driver = driver
        if self.enabled:
            self._task = asyncio.create_task(self._rounds(driver), name="autotune")

    async def close(self) -> None:
        """End the round under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def describe(self) -> dict[str, Any]:
        """Return the present setting, the latest round and the changes, the newest last."""
        latest = self._latest
        return {
            "enabled": self.enabled,
            "setting": str(self._tuner.present),
            "rounds": self._tuner.rounds,
            "latest": None
            if latest is None
            else {
                "best": str(latest.best.setting),
                "tail_stretch": latest.present.tail,
                "best_tail_stretch": latest.best.tail,
                "gain": latest.gain,
                "evaluated": latest.evaluated,
            },
            "changes": [asdict(change) for change in self._tuner.changes],
        }

    def revert(self, reason: str) -> None:
        """Go back to the setting before the latest change.

        Raises:
            ConflictError: nothing was changed.
        """
        assert self._driver is not None
        if self._tuner.revert(self._driver.clock(), reason) is None:
            raise ConflictError("no setting was changed: there is nothing to go back to")
        self._apply(self._driver)

    async def _rounds(self, driver: CoreDriver) -> None:
        while True:  # close() cancels it
            await asyncio.sleep(_POLL_SECONDS)
            if not self._recent.due(driver.clock()):
                continue
            try:
                async with asyncio.timeout(_MOST_SECONDS):
                    await self.round(driver)
            except TimeoutError:
                logger.warning("tuning took longer than %.0f s and was given up", _MOST_SECONDS)
            except Exception:
                logger.exception("a round of tuning failed")

    async def round(self, driver: CoreDriver) -> None:
        """Replay the latest workflows, if there are enough, and take a better setting over.

        Raises:
            RuntimeError: the process that replays failed.
        """
        samples = self._recent.samples(driver.clock())
        runtimes = list(driver.dispatcher.runtimes.values())
        if not samples or not runtimes:
            return
        task = TuningTask(
            present=self._tuner.present,
            others=list(self._tuner.returns),
            samples=samples,
            gpus=[_gpu(runtime) for runtime in runtimes],
            runtime_config=_config(runtimes[0]),
            ordering=self._spec.config.ordering,
            window_tokens=self._spec.config.window_tokens,
            policy_path=self._spec.policy_path,
        )
        self._latest = verdict_of(await _in_process(await asyncio.to_thread(task.to_json)))
        if self._tuner.judge(self._latest, driver.clock()) is not None:
            self._apply(driver)

    def _apply(self, driver: CoreDriver) -> None:
        driver.handle(PlacementChanged(placement_registry().load(str(self._tuner.present))))
        change = self._tuner.changes[-1]
        logger.warning(
            "placement %s → %s: %s, expected gain %.0f %%",
            *(change.before, change.after, change.reason, 100 * change.gain),
        )


async def _in_process(task: bytes) -> bytes:
    command = (sys.executable, "-m", "launch.controller.tuning_round")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        answer, _ = await process.communicate(task)  # bounded by the caller
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"the process that replays ended with {process.returncode}")
    return answer


def _gpu(runtime: RuntimeState) -> Gpu:
    """Return a runtime as simulated hardware: as fast as was learned by now."""
    chunk = runtime.latency.chunks.tokens
    return gpu_of(runtime.name, runtime.latency.speed, runtime.max_total_tokens, chunk)


def _config(runtime: RuntimeState) -> SimRuntimeConfig:
    chunks = runtime.latency.chunks
    name = f"mixed{chunks.tokens}" if chunks.mixed else "default"
    return SimRuntimeConfig(name=name, max_running_requests=runtime.max_running_requests)
