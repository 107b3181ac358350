"""Bundles of wheels: packed into parts, checked and installed without a registry; with wheels made here."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.offline.bundle import MANIFEST, BundleError, parts
from launch.offline.install import install, site
from launch.offline.pack import _PINS, requirements, split, without


def wheel(folder: Path, name: str, **files: str) -> Path:
    """Return a wheel with a module per file."""
    folder.mkdir(exist_ok=True)
    path, info = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    contents = {f"shared/{module}.py": text for module, text in files.items()} | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*contents, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in (contents | {f"{info}/RECORD": record}).items():
            archive.writestr(file, text)
    return path


def test_every_package_has_one_version() -> None:
    """Its own, or the one of a machine without a GPU."""
    found = dict(line.split("==") for line in requirements())
    assert found["sglang"] == "0.5.17"
    assert found["transformers"] == "5.12.1"
    assert len(found) == len(requirements())


def test_the_drivers_of_databases_are_packed() -> None:
    """With the versions that the tests run."""
    found = {name.lower(): version for name, version in (line.split("==") for line in requirements())}
    pinned = dict(line.split("==") for line in _PINS.read_text().splitlines() if "==" in line)
    drivers = ("sqlalchemy", "sqlglot", "psycopg", "psycopg-binary", "duckdb")
    versions = {name.lower(): version for name, version in pinned.items()}
    assert {name: found[name] for name in drivers} == {name: versions[name] for name in drivers}


def test_a_package_without_a_version_is_refused(tmp_path: Path) -> None:
    """An unpinned bundle could not be repeated."""
    file = tmp_path / "requirements.txt"
    file.write_text("no-such-package  # that anyone pinned\n")
    with pytest.raises(BundleError, match="no-such-package==VERSION"):
        requirements(file)


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 100), max_size=20), st.integers(1, 100))
def test_parts_hold_everything_and_keep_the_limit(sizes: dict[str, int], limit: int) -> None:
    """Each file is in one part; two parts would never fit into one; what is too large is named."""
    if max(sizes.values(), default=0) > limit:
        with pytest.raises(BundleError, match="part-mib"):
            parts(sizes, limit)
        return
    found = parts(sizes, limit)
    assert sorted(name for part in found for name in part) == sorted(sizes)
    totals = sorted(sum(sizes[name] for name in part) for part in found)
    assert all(total <= limit for total in totals)
    assert len(totals) < 2 or totals[0] + totals[1] > limit


def test_a_heavy_file_is_left_out_of_its_wheel(tmp_path: Path) -> None:
    """Of the record, too; a wheel that doesn't hold it has changed and is looked at."""
    path = wheel(tmp_path, "kernel", light="x = 1", heavy="x = 2")
    without(path, ["shared/heavy.py"])
    with zipfile.ZipFile(path) as archive:
        assert "shared/heavy.py" not in archive.namelist()
        record = archive.read("kernel-1.0.dist-info/RECORD").decode()
    assert "shared/light.py" in record
    assert "heavy" not in record
    with pytest.raises(BundleError, match=r"holds no shared/heavy\.py"):
        without(path, ["shared/heavy.py"])


def test_parts_are_installed_one_after_another(tmp_path: Path) -> None:
    """In any order and more than once; packages that share a folder keep each other's files."""
    made = [wheel(tmp_path / "wheels", name, **{name: f"name = '{name}'"}) for name in ("one", "two")]
    split(tmp_path / "wheels", tmp_path / "bundle", max(file.stat().st_size for file in made))
    into, first, second = tmp_path / "into", tmp_path / "bundle/part-1", tmp_path / "bundle/part-2"
    assert install([second], into) == [1]
    assert install([second], into) == [1]
    assert install([first, second], into) == []
    assert sorted(file.name for file in (site(into) / "shared").glob("*.py")) == ["one.py", "two.py"]


def test_damaged_and_mixed_parts_are_refused(tmp_path: Path) -> None:
    """Before anything is installed."""
    for name in ("one", "two"):
        wheel(tmp_path / name, name, module=name)
        split(tmp_path / name, tmp_path / f"bundle-{name}", 10_000)
    one, two = (tmp_path / f"bundle-{name}/part-1" for name in ("one", "two"))
    with pytest.raises(BundleError, match="another bundle"):
        install([one, two], tmp_path / "into")
    next(one.glob("*.whl")).write_bytes(b"cut short")
    with pytest.raises(BundleError, match="copy the part again"):
        install([one], tmp_path / "into")
    (two / MANIFEST).unlink()
    with pytest.raises(BundleError, match="no part"):
        install([two], tmp_path / "into")
    assert not (site(tmp_path / "into") / "shared").exists()
