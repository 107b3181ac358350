"""Folders: checks of a model's before the start, and the user's cache folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from engine.wire.tokenizer_identity import TOKENIZER_FILE
from launch.server.config import EMBEDDED
from sched.errors import ConfigError


def cache_folder() -> Path:
    """Return the user's cache folder: ``$XDG_CACHE_HOME/sluice``, by default ``~/.cache/sluice``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice"


def calibration_folder() -> Path:
    """Return where calibrations are kept between starts."""
    return cache_folder() / "calibrations"


def check_model(model_path: str, where: str) -> None:
    """Refuse a folder that holds no model; ``where`` is the flag or key it came from.

    Raises:
        ConfigError: no such folder, no ``config.json``, no ``tokenizer.json``.
    """
    if model_path == EMBEDDED:
        return
    folder = Path(model_path).expanduser()
    if not folder.is_dir():
        raise ConfigError(
            f"{where}: {model_path} is not a folder; download the model and give the folder with its "
            "config.json, tokenizer and weights",
            field="model_path",
        )
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"{where}: {model_path} has no config.json; give the folder of a Hugging Face model",
            field="model_path",
        )
    if not (folder / TOKENIZER_FILE).is_file():
        raise ConfigError(
            f"{where}: {model_path} has no tokenizer; put the model's {TOKENIZER_FILE} beside its "
            "config.json",
            field="model_path",
        )


def declared_context(model_path: str) -> int | None:
    """Return the context in tokens that the model in a folder declares; ``None`` if that takes SGLang to say.

    (A scaled rotary embedding, a nested configuration, or no readable ``config.json``.)
    """
    try:
        config = json.loads((Path(model_path) / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict) or config.get("rope_scaling") or config.get("rope_parameters"):
        return None
    context = config.get("max_position_embeddings")
    return context if isinstance(context, int) else None
