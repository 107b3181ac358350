"""Installs parts of a bundle on a host without a package registry, beside the packages it has.

``python3 -m launch.offline.install PART … --into FOLDER`` needs nothing but Python's standard library and
pip.  What is there already stays; parts may come one after another.  With the last one it shows what the host
can serve with (``engine/sglang/probe.py``), and ends with the line that makes Python find it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from launch.offline.bundle import BundleError, checked, read_manifests

_NOTES = "sluice-bundle"
"""The folder in which an empty file stands for each installed wheel."""
_SECONDS = 540.0


def site(folder: Path) -> Path:
    """Return where packages lie below ``folder``, for Python's path."""
    return Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)}))


def install(parts: Sequence[Path], folder: Path) -> list[int]:
    """Install the wheels of ``parts`` that are not in ``folder`` yet; return the numbers of missing parts.

    Raises:
        BundleError: a part is damaged or belongs to another bundle, or pip fails.
    """
    wheels, notes = read_manifests(parts), folder / _NOTES
    notes.mkdir(parents=True, exist_ok=True)
    files = [file for part in parts for file in checked(part, wheels)]
    new = [file for file in files if not (notes / wheels[file.name].sha256).exists()]
    if new:
        # Each into its place: --target would replace folders that two wheels share.
        flags = ("--no-index", "--no-deps", "--no-compile", "--ignore-installed", "--no-warn-script-location")
        command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *flags]
        done = subprocess.run(
            [*command, "--prefix", str(folder), *map(str, new)],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        if done.returncode:
            raise BundleError(f"pip could not install the wheels: {done.stderr.strip()}")
    for file in new:
        (notes / wheels[file.name].sha256).touch()
    return sorted({wheel.part for wheel in wheels.values() if not (notes / wheel.sha256).exists()})


def probe(folder: Path) -> int:
    """Show what can be served with what is in ``folder``; return the exit code."""
    path = os.pathsep.join([str(site(folder)), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "engine.sglang.probe"]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, timeout=_SECONDS).returncode


def main(argv: Sequence[str] | None = None) -> int:
    """Install and return the exit code: 1 if something is wrong with the parts or what they hold."""
    parser = argparse.ArgumentParser(prog="python3 -m launch.offline.install", description=__doc__)
    parser.add_argument("parts", type=Path, nargs="+", metavar="PART")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    arguments = parser.parse_args(argv)
    try:
        missing = install(arguments.parts, arguments.into.absolute())
        code = 0 if missing else probe(arguments.into.absolute())
    except (BundleError, OSError, subprocess.TimeoutExpired) as error:
        print(f"sluice: {error}", file=sys.stderr)
        return 1
    if missing:
        print(f"still to come: {', '.join(f'part-{number}' for number in missing)}")
    print(f"export PYTHONPATH={site(arguments.into.absolute())}")
    return code


if __name__ == "__main__":
    sys.exit(main())
