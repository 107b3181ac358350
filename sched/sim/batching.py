"""How SGLang's runtimes are configured, by its own names and by the short ones of a sweep."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sched.errors import ConfigError
from sched.sim.hardware import Gpu


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
class SimRuntimeConfig:
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
