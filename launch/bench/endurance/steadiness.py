"""Whether something piles up: samples taken while nothing runs, and the straight line through them."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SETTLING = 0.4
"""Share of the samples that is left out at the beginning: bounded tables fill, the allocator warms up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSample:
    """What the process holds after ``calls``: resident bytes, Python's memory blocks, tasks, files (sockets
    included) and threads."""

    calls: int
    resident_bytes: int
    blocks: int
    tasks: int
    files: int
    threads: int


def sample(calls: int) -> SoakSample:
    """Return what this process holds now, garbage collected; call it in the event loop."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return SoakSample(
        calls=calls,
        resident_bytes=pages * os.sysconf("SC_PAGESIZE"),
        blocks=sys.getallocatedblocks(),
        tasks=len(asyncio.all_tasks()),
        files=len(os.listdir("/proc/self/fd")),
        threads=threading.active_count(),
    )


def settled(samples: Sequence[SoakSample]) -> Sequence[SoakSample]:
    """Return the samples that count."""
    return samples[int(_SETTLING * len(samples)) :]


def slope(samples: Sequence[SoakSample], name: str) -> float:
    """Return by how much a figure grows per 1,000 calls: a least-squares line through what has settled.

    Raises:
        ValueError: fewer than two samples count.
    """
    counted = settled(samples)
    if len(counted) < 2:
        raise ValueError("a line needs two samples")
    calls = [one.calls / 1_000 for one in counted]
    values = [float(getattr(one, name)) for one in counted]
    mean_calls, mean_value = sum(calls) / len(calls), sum(values) / len(values)
    spread = sum((c - mean_calls) ** 2 for c in calls)
    return sum((c - mean_calls) * (v - mean_value) for c, v in zip(calls, values, strict=True)) / spread
