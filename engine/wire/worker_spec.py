"""What the launcher tells a worker process: plain data, JSON on the worker's standard input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from engine.wire.link_keys import WorkerKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What a runtime is measured on (``engine/worker/measuring.py``); the default takes seconds on a CPU.

    ``prefills``: (uncached, cached) tokens of lone prompts, each ``rounds`` times.  ``batches`` of calls with
    ``contexts`` tokens of prompt decode ``steps`` tokens; their prompts differ in their last tokens only if
    ``shared`` (quicker to prefill, but their KV may lie in a GPU's cache).  On the batches that are
    ``carriers``, prompts of ``riders`` tokens are prefilled, ``rides`` times.
    """

    prefills: tuple[tuple[int, int], ...] = (
        *((32, 0), (128, 0), (256, 0), (512, 0), (1024, 0)),
        *((64, 512), (256, 512), (32, 1024)),
    )
    batches: tuple[int, ...] = (1, 2, 4, 8, 16)
    contexts: tuple[int, ...] = (64, 1024)
    riders: tuple[int, ...] = (32, 128, 512)
    carriers: tuple[int, ...] = (4,)
    rounds: int = 3
    rides: int = 1
    steps: int = 10
    shared: bool = True
    limit_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """One runtime to start.

    ``endpoint`` is the controller's ZMQ address (``ipc://``, ``tcp://``).  ``gpu_ids`` are CUDA indices
    (``tp_size`` of them), empty on CPU; ``cpu_core`` pins a CPU runtime to one core.  ``engine_args``
    are SGLang's server arguments by SGLang's names.  ``slowdown`` k ≥ 1 makes each forward pass last k
    times as long (an unlike pair for tests).  ``orphan_seconds`` is how long the worker outlives a
    silent controller.  ``heartbeat_seconds`` is the period of its load reports.  ``kv_events``: it reports
    what its prefix cache holds.  ``calibration_folder``: where calibrations are kept (``None``: it is not
    calibrated); ``recalibrate``: it is measured again.  ``prefill_budget``: tokens prefilled beside decoding
    (``None``: as the calibration finds best, 0: as SGLang is started).  ``grid``: what is measured, if not
    the usual.  ``sm_share``: of a GPU's multiprocessors, where NVIDIA's MPS runs.  ``log_level``: from which
    on Sluice's own modules log; SGLang's is one of its arguments.  ``drain_seconds``: what the controller
    gets to finish what it accepted when the launcher is gone.  ``shared_folder``: of the server's processes.
    ``keys``: for a link over TCP.
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
    heartbeat_seconds: float = 0.5
    kv_events: bool = True
    calibration_folder: str | None = None
    prefill_budget: int | None = None
    recalibrate: bool = False
    grid: Grid | None = None
    sm_share: float | None = None
    log_level: str = "info"
    drain_seconds: float = 30.0
    shared_folder: str | None = None
    keys: WorkerKeys | None = None

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
        if (grid := data.get("grid")) is not None:
            data["grid"] = Grid(**{name: _tuples(value) for name, value in grid.items()})
        if (keys := data.get("keys")) is not None:
            data["keys"] = WorkerKeys(**keys)
        return cls(**data)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
