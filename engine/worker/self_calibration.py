"""A runtime's speed, measured on itself when it starts, and kept until something that matters changes.

What is run is in ``engine/worker/measuring.py``.  On a runtime that tells no passes nothing is measured, and
on a simulated one nothing is run for it: its speed is given.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from engine.wire.worker_spec import Grid, WorkerSpec
from engine.worker.measuring import Bench
from engine.worker.runtime_interface import Runtime, RuntimeInfo
from sched.errors import ConfigError
from sched.predict.calibration import Calibration, fit, fit_error

logger = logging.getLogger(__name__)

_IRRELEVANT_ARGS = {"log_level", "served_model_name", "enable_metrics"}


async def configure(runtime: Runtime, spec: WorkerSpec, found: Calibration | None) -> int:
    """Set the prefill budget that ``spec`` asks for, or that the calibration found best; return it.

    A chunk size among SGLang's arguments is the user's choice and stays as it is.
    """
    budget = spec.prefill_budget
    if budget is None:
        chosen = "chunked_prefill_size" in spec.engine_args
        budget = found.budget_tokens if found is not None and not chosen else 0
    if budget:
        await runtime.set_prefill_budget(budget)
        logger.info("runtime %s prefills %d tokens beside decoding", spec.name, budget)
    return budget


async def calibrated(runtime: Runtime, spec: WorkerSpec, info: RuntimeInfo) -> Calibration | None:
    """Return what is known of the runtime's speed: as kept from an earlier start, or as measured now.

    ``None`` if the spec doesn't want it, the runtime is simulated or tells no passes, or it can't be measured
    (logged).
    """
    if spec.calibration_folder is None or runtime.simulated:
        return None
    key = _key(spec, info)
    path = Path(spec.calibration_folder) / f"{_digest(key)}.json"
    kept = None if spec.recalibrate else _read(path)
    if kept is not None:
        return kept
    try:
        grid = spec.grid or Grid()
        async with asyncio.timeout(grid.limit_seconds):
            measured = await Bench(runtime, info, grid).run()
        if measured is None:
            return None
        passes, request = measured
        speed = fit(passes, request)
    except Exception as error:
        logger.warning("runtime %s could not be calibrated: %r", spec.name, error)
        return None
    result = Calibration(
        key=key,
        speed=speed,
        max_total_tokens=info.max_total_tokens,
        max_running_requests=info.max_running_requests,
        chunk_tokens=info.chunk_tokens,
        error=fit_error(speed, passes),
        passes=passes,
    )
    _write(path, result)
    return result


def _key(spec: WorkerSpec, info: RuntimeInfo) -> dict[str, Any]:
    """Return what a calibration depends on."""
    arguments = {n: v for n, v in spec.engine_args.items() if n not in _IRRELEVANT_ARGS}
    return {
        "model": _model(spec.model_path),
        "device": device_kind(spec),
        "gpus": len(spec.gpu_ids),
        "engine": info.engine_version,
        "arguments": json.loads(json.dumps(arguments, sort_keys=True, default=str)),
        "slowdown": spec.slowdown,
        **({"sm_share": spec.sm_share} if spec.sm_share else {}),
        "chunk_tokens": info.chunk_tokens,
        "mixed": info.mixed,
        **({"grid": asdict(spec.grid)} if spec.grid else {}),
    }


def _model(path: str) -> str:
    """Return the model's folder name and a hash of its shape."""
    config = Path(path) / "config.json"
    shape = hashlib.sha256(config.read_bytes()).hexdigest()[:8] if config.is_file() else ""
    return f"{Path(path).name}:{shape}"


def device_kind(spec: WorkerSpec) -> str:
    """Return the kind of device: the GPU's or the processor's name."""
    if spec.device == "cuda":
        import torch

        return str(torch.cuda.get_device_name(0))
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "cpu")


def _digest(key: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(key, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _read(path: Path) -> Calibration | None:
    try:
        return Calibration.from_dict(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ConfigError) as error:
        logger.warning("the calibration %s is of no use (%s): measured anew", path, error)
        return None


def _write(path: Path, result: Calibration) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(orjson.dumps(result.as_dict(), option=orjson.OPT_INDENT_2))
        part.replace(path)
    except OSError as error:
        logger.warning("the calibration can't be kept in %s: %s", path, error.strerror)
