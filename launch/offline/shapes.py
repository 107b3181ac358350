"""Model folders without weights: the shapes of known models, with the demo model's tokenizer.

``python -m launch.offline.shapes FOLDER`` makes one folder per shape.  SGLang serves them with
``load_format = "dummy"``: random weights, so the time is the real model's and the text is noise.  All have
the same tokenizer, so any of them can be runtimes of one server.  ``--layers`` and ``--vocabulary`` cut them
down to what a CPU can serve.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.arguments import count
from launch.demo_assets import demo_model
from sched.errors import ConfigError

_COMMON: Mapping[str, Any] = {
    "attention_dropout": 0.0,
    "eos_token_id": 0,  # of the demo model's tokenizer, as is the next
    "pad_token_id": 1,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
}
_LLAMA: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "attention_bias": False,
    "mlp_bias": False,
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-5,
    "rope_scaling": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "rope_theta": 500000.0,
    "vocab_size": 128256,
}
_QWEN: Mapping[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "use_sliding_window": False,
    "vocab_size": 152064,
}
_FP8: Mapping[str, Any] = {"quantization_config": {"quant_method": "fp8", "activation_scheme": "dynamic"}}


def _sizes(layers: int, hidden: int, intermediate: int, heads: int, kv_heads: int) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
    }


SHAPES: Mapping[str, Mapping[str, Any]] = {
    "llama-3.1-8b": {**_LLAMA, **_sizes(32, 4096, 14336, 32, 8)},
    "llama-3.1-70b-fp8": {**_LLAMA, **_sizes(80, 8192, 28672, 64, 8), **_FP8},
    "qwen2.5-coder-1.5b": {
        **_QWEN,
        **_sizes(28, 1536, 8960, 12, 2),
        "tie_word_embeddings": True,
        "vocab_size": 151936,
    },
    "qwen2.5-coder-7b": {**_QWEN, **_sizes(28, 3584, 18944, 28, 4)},
    "qwen2.5-coder-14b": {**_QWEN, **_sizes(48, 5120, 13824, 40, 8)},
}
"""``config.json`` of each, as its makers publish it (the tokenizer's ids aside)."""


def write(folder: Path, name: str, layers: int | None = None, vocabulary: int | None = None) -> Path:
    """Make the folder of a shape in ``folder`` and return it; ``None`` leaves the real numbers.

    Raises:
        ConfigError: no such shape, a vocabulary smaller than the tokenizer's, or ``folder`` can't be written.
    """
    if name not in SHAPES:
        raise ConfigError(
            f"--only: there is no shape {name!r}; choose from {', '.join(SHAPES)}", field="only"
        )
    source = Path(demo_model())
    config = {**_COMMON, **SHAPES[name]}
    if layers is not None:
        config["num_hidden_layers"] = layers
    if vocabulary is not None:
        least = json.loads((source / "config.json").read_bytes())["vocab_size"]
        if vocabulary < least:
            raise ConfigError(f"--vocabulary must be at least {least}, the tokenizer's", field="vocabulary")
        config["vocab_size"] = vocabulary
    made = folder / name
    try:
        made.mkdir(parents=True, exist_ok=True)
        (made / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(source / file, made / file)
    except OSError as error:
        raise ConfigError(f"{made} can't be written: {error.strerror}", field="folder") from error
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Write the folders and return the exit code: 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m launch.offline.shapes", description=__doc__)
    add = parser.add_argument
    add("folder", type=Path)
    add("--only", default=",".join(SHAPES), metavar="NAME,…", help=f"default: all of {', '.join(SHAPES)}")
    add("--layers", type=count, help="layers, instead of the model's")
    add("--vocabulary", type=count, help="tokens of the vocabulary, instead of the model's")
    arguments = parser.parse_args(argv)
    try:
        for name in arguments.only.split(","):
            print(write(arguments.folder, name.strip(), arguments.layers, arguments.vocabulary))
    except ConfigError as error:
        print(f"sluice: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
