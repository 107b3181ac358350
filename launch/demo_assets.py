"""The demo: the embedded model, which comes with the repository, and the demo database, made on demand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from launch.server.model_folders import cache_folder
from sched.errors import ConfigError

DEMO_DATABASE = "shop"
_BUILD_SECONDS = 300.0


def demo_database() -> Path:
    """Return where the demo database lies, made or not."""
    return cache_folder() / f"{DEMO_DATABASE}.sqlite"


def demo_model() -> str:
    """Return the folder of the embedded default model, which comes with the repository.

    Raises:
        ConfigError: it is not there.
    """
    folder = Path(__file__).parents[1] / "plugins" / "text2sql" / "demo" / "model"
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
