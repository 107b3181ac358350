"""What a bundle is: wheels in parts of a bounded size, each part with the list of them all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FORMAT = "sluice-bundle-1"
MANIFEST = "manifest.json"


class BundleError(Exception):
    """A bundle can't be made or used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file of a bundle: its SHA-256, its size in bytes, and the number of its part, from 1."""

    sha256: str
    size: int
    part: int


def digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def parts(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Return the names in few groups of at most ``limit`` bytes: the largest first, each where it fits first.

    Raises:
        BundleError: one alone is larger.
    """
    found: list[tuple[int, list[str]]] = []
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        size = sizes[name]
        if size > limit:
            raise BundleError(f"{name} has {size} bytes and a part {limit}: allow larger parts (--part-mib)")
        place = next((i for i, (used, _) in enumerate(found) if used + size <= limit), None)
        if place is None:
            found.append((size, [name]))
        else:
            used, names = found[place]
            found[place] = used + size, [*names, name]
    return [names for _, names in found]


def write_manifest(folder: Path, wheels: Mapping[str, Wheel]) -> None:
    """Write the list of a bundle's wheels, by file name, into one of its parts."""
    told = {"format": FORMAT, "wheels": {name: asdict(wheel) for name, wheel in sorted(wheels.items())}}
    (folder / MANIFEST).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_manifests(folders: Sequence[Path]) -> dict[str, Wheel]:
    """Return the wheels of the bundle that all of ``folders`` belong to.

    Raises:
        BundleError: one is no part, or they are parts of different bundles.
    """
    found: dict[str, Wheel] | None = None
    for folder in folders:
        try:
            told = json.loads((folder / MANIFEST).read_bytes())
            if told["format"] != FORMAT:
                raise BundleError(f"{folder}: the format {told['format']!r} is unknown, not {FORMAT!r}")
            wheels = {name: Wheel(**wheel) for name, wheel in told["wheels"].items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{folder} is no part of a bundle ({error}): make one with pack") from error
        if found not in (None, wheels):
            raise BundleError(f"{folder} belongs to another bundle than {folders[0]}")
        found = wheels
    return found or {}


def checked(folder: Path, wheels: Mapping[str, Wheel]) -> Iterable[Path]:
    """Yield the wheels in a part.

    Raises:
        BundleError: one is unknown or damaged.
    """
    for file in sorted(folder.glob("*.whl")):
        if file.name not in wheels or digest(file) != wheels[file.name].sha256:
            raise BundleError(f"{file} is not as it was packed: copy the part again")
        yield file
