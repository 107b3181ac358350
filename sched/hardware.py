"""What simulated runtimes are made of: GPUs, clusters of them, and SGLang's batching settings.

The cost of an iteration on a GPU is ``max(FLOP / F, W + KV tokens read · c) + o`` seconds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sched.errors import ConfigError

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
    """

    name: str
    flops: float
    weights_seconds: float
    kv_seconds: float
    overhead_seconds: float
    kv_tokens: int
    chunk_tokens: int
    estimate: bool = False

    @property
    def ridge_tokens(self) -> float:
        """Tokens per iteration whose compute takes as long as reading the weights."""
        return self.weights_seconds * self.flops / FLOP_PER_TOKEN

    def iteration_seconds(self, flop: float, kv_read_tokens: float) -> float:
        """Return the seconds of one iteration."""
        memory = self.weights_seconds + kv_read_tokens * self.kv_seconds
        return max(flop / self.flops, memory) + self.overhead_seconds

    def call_seconds(self, prompt_tokens: float, output_tokens: float) -> float:
        """Return the seconds of one call alone on the runtime, nothing cached."""
        chunks = -(-prompt_tokens // self.chunk_tokens)
        flop = prompt_tokens * (FLOP_PER_TOKEN + ATTENTION_FLOP * prompt_tokens / 2)
        # Every chunk reads the weights and, on average, half of the prompt's KV.
        prefill = max(
            flop / self.flops, chunks * (self.weights_seconds + prompt_tokens / 2 * self.kv_seconds)
        )
        context = prompt_tokens + output_tokens / 2
        step = self.iteration_seconds(FLOP_PER_TOKEN, context)
        return prefill + chunks * self.overhead_seconds + max(0.0, output_tokens - 1) * step

    def prefill_seconds_per_token(self) -> float:
        """Return the cold-start prior for a token's prefill."""
        return FLOP_PER_TOKEN / self.flops

    def decode_seconds_per_token(self) -> float:
        """Return the cold-start prior for a token's decoding, alone."""
        return self.weights_seconds + self.overhead_seconds


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


def parse_cluster(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of ``hetero1``, ``hetero2`` or a list such as ``a100,a100,l40s``.

    Raises:
        ConfigError: an unknown name.
    """
    names = CLUSTERS.get(text) or tuple(name.strip().lower() for name in text.split(","))
    unknown = next((name for name in names if name not in GPUS), None)
    if unknown is not None:
        known = ", ".join([*CLUSTERS, *GPUS])
        raise ConfigError(f"--cluster: unknown GPU {unknown!r}; choose from {known}", field="cluster")
    return tuple(GPUS[name] for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """SGLang's settings of one runtime, by its names; tokens and counts.

    ``chunk_over_decodes``: the chunk budget excludes the running decodes (a chunk of running + budget, as
    the ridge setting needs).  ``init_new_token_ratio``, ``min_new_token_ratio`` and ``ratio_decay_steps``:
    the share of each request's remaining ``max_new_tokens``, ``clip_max_new_tokens`` at most, that is
    reserved; SGLang's defaults (``SGLANG_INIT_NEW_TOKEN_RATIO``, ``…_CLIP_MAX_NEW_TOKENS_ESTIMATION`` …).
    """

    chunked_prefill_size: int
    enable_mixed_chunk: bool = False
    chunk_over_decodes: bool = False
    max_prefill_tokens: int = 16384
    max_running_requests: int = 256
    max_total_tokens: int
    init_new_token_ratio: float = 0.7
    min_new_token_ratio: float = 0.098
    ratio_decay_steps: int = 600
    clip_max_new_tokens: int = 4096


_CONFIG = re.compile(r"(default|prefill|mixed|ridge)(\d+(?:\.\d+)?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """How the runtimes of a cluster are configured.

    ``name``: ``default`` (SGLang's: decoding stops during a prefill, chunks as its default per GPU),
    ``prefillN`` (the same with chunks of N tokens), ``mixedN`` (``enable_mixed_chunk``, chunks of N),
    ``ridgeX`` (mixed, with a prefill budget of X times the GPU's ridge; X = 1.2 if left out).
    ``kv_scale`` scales the KV cache of every GPU, ``clip_max_new_tokens`` is as in ``Batching``.
    """

    name: str = "default"
    max_running_requests: int = 256
    kv_scale: float = 1.0
    clip_max_new_tokens: int = 4096

    def batching(self, gpu: Gpu) -> Batching:
        """Return the settings on ``gpu``.

        Raises:
            ConfigError: the name is not one of the above.
        """
        match = _CONFIG.fullmatch(self.name)
        kind, number = match.groups() if match else ("", None)
        valid = kind == "ridge" or (kind == "default") == (number is None)
        if not match or not valid or (number is not None and float(number) <= 0):
            raise ConfigError(
                f"--runtime-config: unknown setting {self.name!r}; choose default, prefill2048, mixed2048, "
                "ridge or ridge0.8 (any number)",
                field="runtime_config",
            )
        chunk = gpu.chunk_tokens
        if kind == "ridge":
            chunk = max(16, round(float(number or 1.2) * gpu.ridge_tokens))
        elif number is not None:
            chunk = int(float(number))
        return Batching(
            chunked_prefill_size=chunk,
            enable_mixed_chunk=kind in ("mixed", "ridge"),
            chunk_over_decodes=kind == "ridge",
            max_running_requests=self.max_running_requests,
            max_total_tokens=int(gpu.kv_tokens * self.kv_scale),
            clip_max_new_tokens=self.clip_max_new_tokens,
        )


def average_call_seconds(gpus: Sequence[Gpu], prompt_tokens: float, output_tokens: float) -> float:
    """Return the seconds of a lone call on the average GPU."""
    return sum(gpu.call_seconds(prompt_tokens, output_tokens) for gpu in gpus) / len(gpus)
