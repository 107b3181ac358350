"""Makes the folder of a Hugging Face model from a GGUF file."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import save_file

from launch.models.gguf_file import GgufFile
from launch.models.gguf_llama import config, generation_config, weights
from launch.models.gguf_tokenizer import tokenizer, tokenizer_config


def convert(path: Path, folder: Path) -> int:
    """Write the model in the GGUF file ``path`` into the new ``folder``; return the number of its parameters.

    The weights are float32, which every machine computes fast and SGLang casts if another type is asked for.

    Raises:
        GgufError: it can't be converted.
        OSError: a file can't be read or written.
    """
    file = GgufFile(path)
    model = config(file)
    values = weights(file, model)
    model["tie_word_embeddings"] = "lm_head.weight" not in values
    texts = {
        "config.json": model,
        "generation_config.json": generation_config(file),
        "tokenizer_config.json": tokenizer_config(file),
    }
    words = tokenizer(file)
    folder.mkdir()
    for name, content in texts.items():
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    words.save(str(folder / "tokenizer.json"))
    save_file(values, folder / "model.safetensors", metadata={"format": "pt"})
    # That file would be its owner's alone; others may serve the model, too.
    (folder / "model.safetensors").chmod((folder / "config.json").stat().st_mode & 0o777)
    return sum(value.size for value in values.values())
