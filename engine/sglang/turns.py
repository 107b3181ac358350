"""The turns of SGLang's scheduler loops, counted there and read by the worker: an idle loop turns, too.

Each scheduler process (each rank) has a small file of its own, by which the worker knows its process id.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from engine.worker.pulse import Pulse, cpu_seconds, family_cpu_seconds
from sched.clock import Clock, monotonic

_PREFIX = "turns."
_COUNT = struct.Struct("<Q")
_ONCE_A_TURN = ("ingest_requests", "recv_requests", "get_next_batch_to_run")
"""Methods of SGLang's scheduler that its loop calls in every turn; not every version has the first ones."""


def turning_method(scheduler_class: type) -> str:
    """Return the name of the method that a scheduler's loop calls in every turn.

    Raises:
        AttributeError: this version has none that is known here.
    """
    for name in _ONCE_A_TURN:
        if hasattr(scheduler_class, name):
            return name
    raise AttributeError(f"SGLang's scheduler has none of the methods {', '.join(_ONCE_A_TURN)}")


class TurnCounter:
    """The scheduler's end: a hook before the method of each turn."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._shared: mmap.mmap | None = None
        self._turns = 0

    def __call__(self, *_args: Any, **_kwargs: Any) -> None:
        """Count a turn."""
        if self._shared is None:
            self._shared = _mapped(self._run_dir / f"{_PREFIX}{os.getpid()}")
        self._turns += 1
        _COUNT.pack_into(self._shared, 0, self._turns)


class SchedulerPulses:
    """The worker's end: the signs of life of every scheduler process that counts its turns in ``run_dir``."""

    def __init__(self, run_dir: Path, clock: Clock = monotonic) -> None:
        self._run_dir = run_dir
        self._clock = clock
        self._pulses: Sequence[Pulse] = ()

    def still_seconds(self) -> float:
        """Return for how long the one that has stood still for longest has shown no sign of life, seconds."""
        if not self._pulses:
            self._pulses = [self._pulse(path) for path in self._run_dir.glob(f"{_PREFIX}*")]
        return max((pulse.still_seconds() for pulse in self._pulses), default=0.0)

    def _pulse(self, path: Path) -> Pulse:
        pid = int(path.name.removeprefix(_PREFIX))
        spent = partial(cpu_seconds, pid), partial(family_cpu_seconds, pid)
        return Pulse(partial(_read, path), *spent, self._clock)


def _read(path: Path) -> int:
    return int(_COUNT.unpack(path.read_bytes())[0])


def _mapped(path: Path) -> mmap.mmap:
    """Make the file whole before it has its name, so that no reader finds it empty."""
    aside = path.with_name(f".{path.name}")
    aside.write_bytes(bytes(_COUNT.size))
    with aside.open("r+b") as file:
        shared = mmap.mmap(file.fileno(), _COUNT.size)
    aside.rename(path)
    return shared
