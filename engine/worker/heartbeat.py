"""A worker's signs of life to its controller, and its ear for the controller's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from engine.wire.messages import Heartbeat, Hello, Welcome, WireMessage
from engine.wire.worker_spec import WorkerSpec
from engine.worker.runtime_interface import Runtime
from sched.clock import AttentiveClock, Clock

HELLO_SECONDS = 0.5
PASSES = 64
"""Forward passes that a heartbeat tells of; a learner needs no more."""
_MISSED_PINGS = 5
_MOST_SECONDS = 5.0
"""So much of the time between two looks counts: a worker that was stopped itself heard nothing."""
_LONE_SECONDS = 10.0
"""How long a controller may be silent that nobody would start again."""


class HeartbeatSender:
    """Says ``hello`` until it is welcomed, then reports the runtime's load; starts anew when not heard."""

    def __init__(
        self,
        spec: WorkerSpec,
        hello: Hello,
        runtime: Runtime,
        send: Callable[[WireMessage], object],
        clock: Clock,
    ) -> None:
        self._spec = spec
        self._hello = hello
        self._runtime = runtime
        self._send = send
        self._clock = AttentiveClock(clock, _MOST_SECONDS)
        self._last_heard = self._clock()
        self._orphan_seconds = spec.orphan_seconds
        self._welcomed = False
        self._hurry = asyncio.Event()

    def measured(self, speed: Mapping[str, float], prefill_budget: int) -> None:
        """Introduce the runtime with its ``speed``, the fields of ``sched.predict.speed.Speed``, and, unless
        it is 0, its prefill budget in tokens."""
        self._hello = replace(self._hello, speed=speed)
        if prefill_budget:
            self._hello = replace(self._hello, chunk_tokens=prefill_budget, mixed=True)

    def heard(self) -> None:
        """Note a message of the controller."""
        self._last_heard = self._clock()

    def launcher_lost(self) -> None:
        """Serve on for the controller, which finishes what it accepted; nobody would start it again."""
        self._orphan_seconds = min(self._orphan_seconds, _LONE_SECONDS)

    def welcomed(self) -> None:
        """Note that the controller knows the runtime."""
        self._welcomed = True

    def introduce(self) -> None:
        """Say ``hello`` at once: the controller doesn't know the runtime."""
        self._welcomed = False
        self._hurry.set()

    def cut(self) -> None:
        """Introduce the runtime as one that may have missed something, since the connection broke."""
        self._hello = replace(self._hello, connection=self._hello.connection + 1)
        self.introduce()

    def current(self, welcome: Welcome) -> bool:
        """Tell whether ``welcome`` answers what was said since the connection last broke."""
        return welcome.connection == self._hello.connection

    async def run(self) -> str:
        """Send until the controller has been silent for too long; return what to say of that."""
        period = self._spec.heartbeat_seconds
        self._last_heard = self._clock()  # nobody could answer before: preparing the runtime may take minutes
        while (silent := self._clock() - self._last_heard) <= self._orphan_seconds:
            self._hurry.clear()
            if silent > _MISSED_PINGS * period:
                self._welcomed = False
            self._send(await self._heartbeat() if self._welcomed else self._hello)
            with suppress(TimeoutError):
                async with asyncio.timeout(period if self._welcomed else min(period, HELLO_SECONDS)):
                    await self._hurry.wait()
        return f"no sign of a controller for {silent:.0f} s"

    async def _heartbeat(self) -> Heartbeat:
        load = await self._runtime.load()
        return Heartbeat(
            runtime=self._spec.name,
            running=load.running,
            waiting=load.waiting,
            used_tokens=load.used_tokens,
            scheduler_steps=load.scheduler_steps,
            still_seconds=load.still_seconds,
            passes=[list(done) for done in self._runtime.passes(PASSES)],
        )
