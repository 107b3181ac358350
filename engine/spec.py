"""What the launcher tells a worker process: plain data, JSON on the worker's standard input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """One runtime to start.

    ``endpoint`` is the controller's ZMQ address (``ipc://…``).  ``gpu_ids`` are CUDA device indices
    (``tp_size`` of them), empty on CPU; ``cpu_core`` pins a CPU runtime to one core.  ``engine_args``
    are SGLang's server arguments by SGLang's names.  ``slowdown`` k ≥ 1 makes each forward pass last k
    times as long (an unlike pair for tests).  ``orphan_seconds`` is how long the worker outlives a
    silent controller.  ``heartbeat_seconds`` is the period of its load reports.  ``kv_events``: it reports
    what its prefix cache holds.  ``calibration_folder``: where calibrations are kept (``None``: it is not
    calibrated); ``recalibrate``: it is measured again.
    """

    name: str
    endpoint: str
    model_path: str
    device: str
    gpu_ids: tuple[int, ...] = ()
    cpu_core: int | None = None
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    slowdown: float = 1.0
    simulated: bool = False
    orphan_seconds: float = 60.0
    heartbeat_seconds: float = 1.0
    kv_events: bool = True
    calibration_folder: str | None = None
    recalibrate: bool = False

    def to_json(self) -> bytes:
        """Return the spec as one line of JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: bytes) -> WorkerSpec:
        """Return the spec in ``line``.

        Raises:
            TypeError: missing or unknown keys.
            orjson.JSONDecodeError: not JSON.
        """
        data = orjson.loads(line)
        data["gpu_ids"] = tuple(data.get("gpu_ids", ()))
        return cls(**data)
