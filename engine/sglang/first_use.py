"""What SGLang does at the first request that uses a parameter, done or made needless at the start.

It compiles parts of its sampling when they are first used.  On a CPU that takes a minute in the scheduler
process, which serves nobody meanwhile, and gains little; so there they run as they are written.  On a GPU
the warm-up uses them once.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

_COMPILED = (
    ("sglang.srt.sampling.penaltylib.repetition_penalty", "apply_scaling_penalties"),
    ("sglang.srt.layers.sampler", "multinomial_with_seed"),
)
_AS_WRITTEN = "_torchdynamo_orig_callable"

WARM_UPS: tuple[Mapping[str, Any], ...] = (
    {"temperature": 0.0},
    {
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 20,
        "min_p": 0.05,
        "sampling_seed": 1,
        "repetition_penalty": 1.1,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.1,
        "min_new_tokens": 1,
        "logit_bias": {"1": 0.5},
        "stop": ["\n\n"],
        "stop_regex": ["never{9}"],
    },
    {"temperature": 0.0, "regex": "[a-z ]+"},
)
"""Sampling parameters of short requests that together use all that a client may ask for."""


def run_as_written() -> None:
    """Replace functions that ``torch.compile`` would compile at their first call by what they were."""
    for module, name in _COMPILED:
        found = importlib.import_module(module)
        compiled = getattr(found, name)
        setattr(found, name, getattr(compiled, _AS_WRITTEN, compiled))
