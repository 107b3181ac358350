"""Collects the wheels that a GPU host without a package registry lacks, in parts that can be carried there.

``python -m launch.offline.pack FOLDER`` fetches what ``requirements.txt`` lists, for Python 3.12 on Linux
(x86-64), through pip and the registry it is set up with, adds Sluice's own metadata (its plugins' entry
points), and leaves out kernels that the host can do without.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from launch.arguments import count
from launch.offline.bundle import BundleError, Wheel, digest, parts, write_manifest
from launch.pip_runner import PipError, pip

_HERE = Path(__file__).parent
_CHECKOUT = _HERE.parents[1]
_PINS = _CHECKOUT / "engine" / "requirements-cpu.txt"
_TARGET = ("--python-version", "3.12", "--implementation", "cp", "--only-binary=:all:")
_PLATFORMS = tuple(f"manylinux{version}_x86_64" for version in ("_2_34", "_2_28", "_2_27", "_2_17", "2014"))
LEFT_OUT = ("sgl_kernel/flash_ops.abi3.so", "sgl_kernel/sm100/common_ops.abi3.so")
"""FlashAttention 3 (330 MB; the triton and flashinfer backends do without), and other GPUs than Hopper's."""
_LIGHTENED = "sglang_kernel-"


def requirements(file: Path = _HERE / "requirements.txt", pins: Path = _PINS) -> list[str]:
    """Return the packages of a bundle as ``name==version``.

    Raises:
        BundleError: one has no version, neither in ``file`` nor in ``pins``.
    """
    known = {_plain(line.partition("==")[0]): line for line in _lines(pins)}
    found = []
    for line in _lines(file):
        pinned = line if "==" in line else known.get(_plain(line))
        if pinned is None:
            raise BundleError(f"{file}: {line} has no version: write {line}==VERSION")
        found.append(pinned)
    return found


def without(wheel: Path, names: Sequence[str]) -> None:
    """Take files out of a wheel, and out of its record.

    Raises:
        BundleError: it doesn't hold one of them.
    """
    light = wheel.with_suffix(".light")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(light, "w", zipfile.ZIP_DEFLATED) as new:
        if missing := set(names) - set(old.namelist()):
            raise BundleError(f"{wheel.name} holds no {', '.join(sorted(missing))}: look at LEFT_OUT")
        for entry in old.infolist():
            if entry.filename in names:
                continue
            content = old.read(entry)
            if entry.filename.endswith(".dist-info/RECORD"):
                lines = content.decode().splitlines(keepends=True)
                content = "".join(line for line in lines if line.split(",")[0] not in names).encode()
            new.writestr(entry, content)
    light.replace(wheel)


def pack(folder: Path, limit: int) -> dict[str, Wheel]:
    """Make the bundle in ``folder``, as ``part-1`` and so on of at most ``limit`` bytes; return its wheels.

    Raises:
        BundleError: a wheel is too large, or ``folder`` holds something.
        PipError: pip fails.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BundleError(f"{folder} is not empty: name another folder")
    with tempfile.TemporaryDirectory(prefix="bundle-") as made:
        wheels = Path(made)
        target = [*_TARGET, *(f"--platform={platform}" for platform in _PLATFORMS)]
        pip("download", "--no-deps", *target, "--dest", str(wheels), *requirements())
        pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(_CHECKOUT))
        for heavy in wheels.glob(f"{_LIGHTENED}*.whl"):
            without(heavy, LEFT_OUT)
        return split(wheels, folder, limit)


def split(wheels: Path, folder: Path, limit: int) -> dict[str, Wheel]:
    """Distribute the wheels of one folder to the parts of a bundle in another; return them.

    Raises:
        BundleError: a wheel is larger than ``limit``.
    """
    files = {file.name: file for file in wheels.glob("*.whl")}
    groups = parts({name: file.stat().st_size for name, file in files.items()}, limit)
    found = {
        name: Wheel(digest(files[name]), files[name].stat().st_size, number)
        for number, group in enumerate(groups, 1)
        for name in group
    }
    for number, group in enumerate(groups, 1):
        part = folder / f"part-{number}"
        part.mkdir(parents=True)
        for name in group:
            shutil.copyfile(files[name], part / name)
        write_manifest(part, found)
    return found


def _lines(file: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(argv: Sequence[str] | None = None) -> int:
    """Make a bundle and return the exit code: 1 if it can't be made."""
    parser = argparse.ArgumentParser(prog="python -m launch.offline.pack", description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder for the parts")
    parser.add_argument("--part-mib", type=count, default=48, help="largest part in MiB (default: 48)")
    arguments = parser.parse_args(argv)
    try:
        wheels = pack(arguments.folder, arguments.part_mib << 20)
    except (BundleError, PipError, OSError) as error:
        print(f"sluice: {error}", file=sys.stderr)
        return 1
    for number in range(1, max(wheel.part for wheel in wheels.values()) + 1):
        sizes = [wheel.size for wheel in wheels.values() if wheel.part == number]
        print(f"{arguments.folder}/part-{number}: {len(sizes)} wheels, {sum(sizes) / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
