"""The random model is the same everywhere, whole, and usable without torch."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import random_model

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model.ensure_model(tmp_path_factory.mktemp("model"))


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_two_builds_are_the_same_bytes(model: Path, tmp_path: Path) -> None:
    """Another process with other hash seeds makes exactly the same files, and loads no torch for it."""
    code = (
        "import sys; from pathlib import Path; from tests.random_model import ensure_model;"
        "print(ensure_model(Path(sys.argv[1]))); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    other = Path(done.stdout.strip())
    assert other.name == model.name
    assert hashes(other) == hashes(model)
    assert set(hashes(model)) == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_is_made_once(model: Path) -> None:
    """A model that is there is used as it is, and nothing else is left in the folder."""
    before = (model / "model.safetensors").stat().st_mtime_ns
    assert random_model.ensure_model(model.parent) == model
    assert (model / "model.safetensors").stat().st_mtime_ns == before
    assert list(model.parent.iterdir()) == [model]


def test_a_failed_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half-made model can be mistaken for a whole one."""

    def no_space(path: Path) -> None:
        raise OSError("no space")

    monkeypatch.setattr(random_model, "_write_weights", no_space)
    with pytest.raises(OSError, match="no space"):
        random_model.ensure_model(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_losing_a_race_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When another process finishes the same model first, that one is used."""
    target = tmp_path / random_model.folder_name()

    def other_wins(path: Path) -> None:
        target.mkdir()
        (target / "other").touch()

    monkeypatch.setattr(random_model, "_write_weights", other_wins)
    assert random_model.ensure_model(tmp_path) == target
    assert [path.name for path in target.iterdir()] == ["other"]
    assert list(tmp_path.iterdir()) == [target]


def test_the_end_token_is_the_same_for_all(model: Path) -> None:
    """Model, generation and tokenizer agree on the token that ends an output."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    end = tokenizer.token_to_id(random_model.END)
    assert json.loads((model / "config.json").read_text())["eos_token_id"] == end
    assert json.loads((model / "generation_config.json").read_text())["eos_token_id"] == end
    assert json.loads((model / "tokenizer_config.json").read_text())["eos_token"] == random_model.END
    assert tokenizer.get_vocab_size() == random_model.VOCABULARY


def test_the_tokenizer_keeps_any_text(model: Path) -> None:
    """Bytes survive a round trip, and SQL prompts are shorter in tokens than in words and marks."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    for text in ("SELECT c.name FROM customers AS c;\n", "Wie heißt der größte Kunde? 客户 🙂", "\t\x00  a"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    prompt = "SELECT product.name, COUNT(*) FROM orders JOIN product ON orders.product_id = product.id"
    assert len(tokenizer.encode(prompt).ids) <= 36


def test_the_weights_fit_the_configuration(model: Path) -> None:
    """Every layer is there with the shape that the configuration says, in float32."""
    from safetensors import safe_open

    config = json.loads((model / "config.json").read_text())
    with safe_open(str(model / "model.safetensors"), framework="numpy") as weights:
        shapes = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
        kinds = {weights.get_slice(name).get_dtype() for name in shapes}
    assert kinds == {"F32"}
    assert shapes["model.embed_tokens.weight"] == (config["vocab_size"], config["hidden_size"])
    layers = {name.split(".")[2] for name in shapes if name.startswith("model.layers.")}
    assert len(layers) == config["num_hidden_layers"]
    assert shapes["model.layers.3.mlp.down_proj.weight"] == (256, 688)


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME moves the model; without it, it is below the home folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert random_model.default_folder() == tmp_path / "sluice"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert random_model.default_folder() == tmp_path / ".cache" / "sluice"
