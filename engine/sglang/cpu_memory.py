"""How much memory an SGLang engine may take on a machine without a GPU."""

from __future__ import annotations

import json
from pathlib import Path

_LEAST, _MOST = 0.1, 0.7
_POOL_WEIGHTS = 3.0
"""Room for the weights and twice their size of KV cache; SGLang refuses to start without any."""
_HALF_PRECISION = ("bfloat16", "float16")


def memory_fraction(model_path: str, total_bytes: int) -> float:
    """Return SGLang's ``mem_fraction_static`` for the model in a folder, of ``total_bytes`` of memory.

    A CPU engine computes in float32, whatever the files hold.  What can't be read counts nothing.
    """
    folder = Path(model_path)
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        config = {}
    stored = config.get("dtype") or config.get("torch_dtype") if isinstance(config, dict) else None
    weights = size * (2 if stored in _HALF_PRECISION else 1)
    return min(_MOST, _LEAST + _POOL_WEIGHTS * weights / total_bytes)
