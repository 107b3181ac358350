"""What simulated runtimes are made of: GPUs and clusters of them.

The cost of an iteration on a GPU is ``max(FLOP / F, W + KV tokens read · c) + o`` seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sched.errors import ConfigError
from sched.predict.calibration import read_calibration
from sched.predict.speed import Speed

FLOP_PER_TOKEN = 140e9
"""Llama-3.1-70B: two operations per parameter and token."""
ATTENTION_FLOP = 2.62e6
"""Llama-3.1-70B: attention per (token, token of its context)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One runtime's hardware under Llama-3.1-70B.

    ``flops``: F, sustained FLOP/s.  ``weights_seconds``: W, reading the weights once.  ``kv_seconds``: c,
    reading one token of KV.  ``overhead_seconds``: o, per iteration.  ``kv_tokens``: size of the KV cache.
    ``chunk_tokens``: SGLang's default ``chunked_prefill_size`` on it.  ``estimate``: from data sheets, at
    the efficiency that the measured ones show, and not checked on the hardware.

    A calibrated runtime counts in tokens of Llama-3.1-70B, too: F makes its prefill as fast as measured.
    ``attention_flop`` and ``padded_flop`` are per unit of a pass's ``reach`` and ``square``,
    ``batch_seconds`` what each further call adds to a step, ``hidden`` as in ``sched.predict.speed.Speed``.
    ``host_seconds``: what a new call takes of the runtime's time outside passes, where the server's other
    processes share its core.
    """

    name: str
    flops: float
    weights_seconds: float
    kv_seconds: float
    overhead_seconds: float
    kv_tokens: int
    chunk_tokens: int
    estimate: bool = False
    attention_flop: float = ATTENTION_FLOP
    padded_flop: float = 0.0
    batch_seconds: float = 0.0
    hidden: float = 1.0
    host_seconds: float = 0.0

    @property
    def speed(self) -> Speed:
        """What a dispatcher that knows the runtime is told of it."""
        return Speed(
            prefill=FLOP_PER_TOKEN / self.flops,
            decode=self.weights_seconds + self.overhead_seconds,
            kv=self.kv_seconds,
            overhead=self.overhead_seconds,
            call=self.batch_seconds,
            attention=self.attention_flop / self.flops,
            padded=self.padded_flop / self.flops,
            hidden=self.hidden,
            request=self.host_seconds,
        )

    @property
    def ridge_tokens(self) -> float:
        """Tokens per iteration whose compute takes as long as reading the weights."""
        return self.weights_seconds * self.flops / FLOP_PER_TOKEN

    def prefill_flop(self, tokens: float, cached: float) -> float:
        """Return the FLOP of prefilling ``tokens`` behind ``cached`` ones."""
        attention = self.attention_flop * (cached + tokens / 2)
        return tokens * (FLOP_PER_TOKEN + attention) + self.padded_flop * (cached + tokens) ** 2

    def iteration_seconds(self, flop: float, kv_read_tokens: float, calls: int = 1) -> float:
        """Return the seconds of one iteration in which ``calls`` decode."""
        more = max(0, calls - 1) * self.batch_seconds
        memory = self.weights_seconds + more + kv_read_tokens * self.kv_seconds
        compute = flop / self.flops
        shown = (1 - self.hidden) * min(compute, memory) if calls and flop > calls * FLOP_PER_TOKEN else 0.0
        return max(compute, memory) + shown + self.overhead_seconds

    def call_seconds(self, prompt_tokens: float, output_tokens: float) -> float:
        """Return the seconds of one call alone on the runtime, nothing cached."""
        chunks = -(-prompt_tokens // self.chunk_tokens)
        flop = self.prefill_flop(prompt_tokens, 0)
        # Every chunk reads the weights and, on average, half of the prompt's KV.
        prefill = max(
            flop / self.flops, chunks * (self.weights_seconds + prompt_tokens / 2 * self.kv_seconds)
        )
        context = prompt_tokens + output_tokens / 2
        step = self.iteration_seconds(FLOP_PER_TOKEN, context)
        return prefill + chunks * self.overhead_seconds + max(0.0, output_tokens - 1) * step


def _gpu(
    name: str, tflops: float, weights: float, kv_ns: float, overhead: float, kv: int, chunk: int, **more: bool
) -> Gpu:
    return Gpu(
        name=name,
        flops=tflops * 1e12,
        weights_seconds=weights,
        kv_seconds=kv_ns * 1e-9,
        overhead_seconds=overhead,
        kv_tokens=kv,
        chunk_tokens=chunk,
        **more,
    )


# The first three come with the evidence that this project starts from; the others are ESTIMATES: four cards
# (eight with 24 GB), memory bandwidth at the A100's 88 %, half of the dense bf16 FLOP/s (.4 below Ampere's
# data centre cards).
GPUS: dict[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        _gpu("a100", 624, 0.0255, 58, 0.003, 160_000, 8192),
        _gpu("a6000", 266, 0.0435, 152, 0.005, 90_000, 4096),
        _gpu("l40s", 364, 0.0415, 135, 0.005, 90_000, 4096),
        _gpu("l40", 290, 0.0415, 135, 0.005, 90_000, 4096, estimate=True),
        _gpu("h100", 1978, 0.0119, 28, 0.003, 160_000, 8192, estimate=True),
        _gpu("h200", 1978, 0.0083, 19, 0.003, 800_000, 8192, estimate=True),
        _gpu("a10g", 224, 0.0331, 78, 0.005, 90_000, 2048, estimate=True),
        _gpu("l4", 387, 0.0663, 155, 0.005, 90_000, 2048, estimate=True),
    )
}

CLUSTERS: dict[str, tuple[str, ...]] = {
    "hetero1": ("a100", "a100", "a6000", "l40s"),
    "hetero2": ("a100", "a6000", "a100", "a6000"),
}
"""HexGen-Flow's clusters."""


_FILE = "file:"


def parse_cluster(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of ``hetero1``, ``hetero2`` or a list such as ``a100,a100,file:calibration.json``.

    Raises:
        ConfigError: an unknown name, or a file that is no calibration.
    """
    return tuple(_gpu_named(name.strip()) for name in CLUSTERS.get(text) or text.split(","))


def _gpu_named(name: str) -> Gpu:
    if name.startswith(_FILE):
        path = Path(name.removeprefix(_FILE))
        found = read_calibration(path)
        return gpu_of(path.stem, found.speed, found.max_total_tokens, found.chunk_tokens)
    if name.lower() not in GPUS:
        known = ", ".join([*CLUSTERS, *GPUS])
        message = f"--cluster: unknown GPU {name!r}; choose from {known}, or file:CALIBRATION.json"
        raise ConfigError(message, field="cluster")
    return GPUS[name.lower()]


def gpu_of(name: str, speed: Speed, max_total_tokens: int, chunk_tokens: int) -> Gpu:
    """Return hardware of a known speed, with a KV cache of ``max_total_tokens``."""
    flops = FLOP_PER_TOKEN / speed.prefill
    return Gpu(
        name=name,
        flops=flops,
        weights_seconds=max(0.0, speed.decode - speed.overhead),
        kv_seconds=speed.kv,
        overhead_seconds=speed.overhead,
        kv_tokens=max_total_tokens,
        chunk_tokens=chunk_tokens,
        attention_flop=speed.attention * flops,
        padded_flop=speed.padded * flops,
        batch_seconds=speed.call,
        hidden=speed.hidden,
    )


def average_call_seconds(gpus: Sequence[Gpu], prompt_tokens: float, output_tokens: float) -> float:
    """Return the seconds of a lone call on the average GPU."""
    return sum(gpu.call_seconds(prompt_tokens, output_tokens) for gpu in gpus) / len(gpus)
