"""A runtime's speed, measured on itself when it starts, and kept until something that matters changes.

It runs synthetic prompts and reads how long SGLang's forward passes took (``engine/pass_watch.py``): prefills
by uncached and cached tokens, decode steps by batch and context, and, where mixed chunks are on, both in one
pass.  On a runtime that tells no passes nothing is measured.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from engine.backend import Runtime, RuntimeInfo
from engine.delivery import pack_ids
from engine.messages import RID_LENGTH, Generate
from engine.pass_ring import RECORDS
from engine.spec import WorkerSpec
from sched.calibration import Calibration, fit, fit_error
from sched.clock import monotonic
from sched.errors import ConfigError
from sched.speed import Pass

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 60.0
"""A runtime that can't be calibrated within this time serves uncalibrated."""
_LEAST = 32
_PREFILLS = ((_LEAST, 0), (128, 0), (256, 0), (512, 0), (1024, 0), (64, 512), (256, 512), (_LEAST, 1024))
"""(uncached, cached) tokens."""
_ROUNDS = 3
_BATCHES = (1, 2, 4, 8, 16)
_CONTEXTS = (64, 1024)
_STEPS = 10
_IRRELEVANT_ARGS = {"log_level", "served_model_name", "enable_metrics"}


async def calibrated(runtime: Runtime, spec: WorkerSpec, info: RuntimeInfo) -> Calibration | None:
    """Return what is known of the runtime's speed: as kept from an earlier start, or as measured now.

    ``None`` if the spec doesn't want it, the runtime tells no passes, or it can't be measured (logged).
    """
    if spec.calibration_folder is None:
        return None
    key = _key(spec, info)
    path = Path(spec.calibration_folder) / f"{_digest(key)}.json"
    kept = None if spec.recalibrate else _read(path)
    if kept is not None:
        return kept
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            measured = await _Bench(runtime, info).run()
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


class _Bench:
    def __init__(self, runtime: Runtime, info: RuntimeInfo) -> None:
        self._runtime = runtime
        self._info = info
        self._random = random.Random(0)
        self._count = 0
        self._passes: list[Pass] = []

    async def run(self) -> tuple[list[Pass], float] | None:
        """Return the passes and the seconds of a request outside them; ``None`` if no passes are told."""
        self._runtime.passes(RECORDS)
        longest = min(self._info.context_length, self._info.max_total_tokens) // 2
        outside = await self._prefills(longest)
        if not self._passes:
            return None
        for context in _CONTEXTS:
            if context < longest:
                await self._decodes(context)
        if self._info.mixed:
            await self._mixed(min(512, longest // 2))
        await self._runtime.flush_cache()
        return self._passes, outside

    async def _prefills(self, longest: int) -> float:
        """Prefill prompts one after another; return the mean seconds of a request outside its passes."""
        outside = 0.0
        for _ in range(_ROUNDS):
            for uncached, cached in _PREFILLS:
                if uncached + cached <= longest:
                    prefix = self._ids(cached)
                    outside += await self._generate(prefix, 1) if prefix else 0.0
                    outside += await self._generate(prefix + self._ids(uncached), 1)
        requests = self._count
        await self._generate(self._ids(_LEAST), 1)  # a pass is told when the next one starts
        return max(0.0, outside - sum(p.seconds for p in self._take())) / requests

    async def _decodes(self, context: int) -> None:
        """Decode in batches of growing size, which share the most of their prompts."""
        prefix = self._ids(context - 8)
        await self._generate(prefix, 1)
        room = self._info.max_total_tokens // (context + _STEPS)
        for batch in _BATCHES:
            if batch <= min(self._info.max_running_requests, room):
                prompts = [prefix + self._ids(8) for _ in range(batch)]
                await asyncio.gather(*(self._generate(prompt, _STEPS) for prompt in prompts))
        self._take()

    async def _mixed(self, context: int) -> None:
        """Prefill prompts of several lengths beside a batch that decodes."""
        running = [asyncio.ensure_future(self._generate(self._ids(64), 8 * _STEPS)) for _ in range(4)]
        try:
            for tokens in (32, 64, 128, 256, context):
                await self._generate(self._ids(tokens), 1)
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
        self._take()

    def _take(self) -> list[Pass]:
        """Return the passes since the last time, which are kept."""
        passes = self._runtime.passes(RECORDS)
        self._passes += passes
        return passes

    def _ids(self, count: int) -> list[int]:
        return [self._random.randrange(1, self._info.vocab_size) for _ in range(count)]

    async def _generate(self, prompt: Sequence[int], tokens: int) -> float:
        """Run a request; return its seconds."""
        self._count += 1
        started = monotonic()
        request = Generate(
            rid=f"calibration-{self._count}".ljust(RID_LENGTH, "-"),
            token_ids=pack_ids(prompt),
            sampling={"max_new_tokens": tokens, "temperature": 0.0, "ignore_eos": True},
            key=0.0,
            sequence=self._count,
            remaining_seconds=LIMIT_SECONDS,
        )
        async for _ in self._runtime.generate(request):
            pass
        return monotonic() - started


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
        "chunk_tokens": info.chunk_tokens,
        "mixed": info.mixed,
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
