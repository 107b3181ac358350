"""What this machine offers: GPUs as ``nvidia-smi`` counts them, and CPU cores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pynvml  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Machine:
    """``gpus`` are the indices of the visible GPUs, ``cores`` the CPU cores this process may use."""

    gpus: tuple[int, ...]
    cores: tuple[int, ...]


def detect(environment: Mapping[str, str]) -> Machine:
    """Return what this machine offers; ``CUDA_VISIBLE_DEVICES`` in ``environment`` restricts the GPUs."""
    gpus = restrict(_gpu_uuids(), environment.get("CUDA_VISIBLE_DEVICES"))
    return Machine(gpus, tuple(sorted(os.sched_getaffinity(0))))


def restrict(uuids: Sequence[str], visible: str | None) -> tuple[int, ...]:
    """Return the indices into ``uuids`` that ``visible``, a value of ``CUDA_VISIBLE_DEVICES``, allows.

    Entries are indices in PCI order or beginnings of UUIDs.  As in CUDA, the first entry that names no
    GPU ends the list.
    """
    if visible is None:
        return tuple(range(len(uuids)))
    chosen: list[int] = []
    for entry in (part.strip() for part in visible.split(",")):
        if entry.isdecimal():
            matches = [int(entry)] if int(entry) < len(uuids) else []
        else:
            matches = [index for index, uuid in enumerate(uuids) if entry and uuid.startswith(entry)]
        if len(matches) != 1:
            break
        chosen.append(matches[0])
    return tuple(chosen)


def _gpu_uuids() -> list[str]:
    """The UUIDs of all GPUs in PCI order; none where NVIDIA's driver isn't installed or doesn't answer."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
    finally:
        pynvml.nvmlShutdown()
