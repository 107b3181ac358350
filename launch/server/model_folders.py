"""Model folders: checks before the start, and the demo model and demo database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from engine.wire.tokenizer_identity import TOKENIZER_FILE
from launch.server.config import EMBEDDED
from sched.errors import ConfigError

DEMO_DATABASE = "shop"
_BUILD_SECONDS = 300.0


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


def demo_database() -> Path:
    """Return where the demo database lies, made or not."""
    return cache_folder() / f"{DEMO_DATABASE}.sqlite"


def demo_model() -> str:
    """Return the folder of the embedded default model, which comes with the repository.

    Raises:
        ConfigError: it is not there.
    """
    folder = Path(__file__).parents[2] / "plugins" / "text2sql" / "demo" / "model"
    if not (folder / "model.safetensors").is_file():
        raise ConfigError(
            f"{folder} holds no weights; restore them (git checkout -- {folder}) or give --model-path",
            field="model_path",
        )
    return str(folder)


def build_demo_database() -> None:
    """Make the demo database unless it is there; takes a few seconds.

    Raises:
        ConfigError: the cache folder can't be used.
    """
    if not demo_database().is_file():
        _built("plugins.text2sql.demo.shop", demo_database())


def _built(module: str, argument: Path) -> None:
    """Run ``module`` as a program, since the launcher itself stays free of heavy imports."""
    command = [sys.executable, "-m", module, str(argument)]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=_BUILD_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        output = error.stderr if isinstance(error.stderr, str) else ""
        reason = (output.strip().splitlines() or [str(error)])[-1]
        raise ConfigError(
            f"{argument} could not be made ({reason}); make {cache_folder()} writable or set XDG_CACHE_HOME"
        ) from error
