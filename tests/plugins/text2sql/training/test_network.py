"""The trainer learns, and goes on where it was interrupted.  That SGLang runs its network, the demo shows."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from plugins.text2sql.training import train
from plugins.text2sql.training.train import Trainer
from plugins.text2sql.training.world import demo_world


def test_training_learns_and_resumes(tmp_path: Path) -> None:
    """A few examples are learned by heart; a checkpoint goes on exactly where it was made."""
    torch.manual_seed(2)
    examples = [([5, 6, 7 + n, 20 + n, 40 + n, 0], 3) for n in range(8)]
    trainer = Trainer.new(64, torch.device("cpu"))
    for _ in range(30):
        trainer.step(examples, 1.0)
    assert trainer.exact(examples) == 1.0
    trainer.keep(tmp_path / "checkpoint.pt", 30)
    again = Trainer.new(64, torch.device("cpu"))
    assert again.resume(tmp_path / "missing.pt") == 0
    assert again.resume(tmp_path / "checkpoint.pt") == 30
    assert again.step(examples, 0.5) == pytest.approx(trainer.step(examples, 0.5))


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokenizer and weights are the same to the last bit, whatever was drawn in the process before."""
    monkeypatch.setattr(train, "_VOCABULARY_TASKS", 1500)
    monkeypatch.setattr(train, "_CHECKED", 8)
    monkeypatch.setattr(train, "_POOL_BATCHES", 3)
    monkeypatch.setattr(train, "_BATCH_TASKS", 32)
    with demo_world() as world:
        monkeypatch.setattr(train, "demo_world", lambda: nullcontext(world))
        for name, seed in (("one", 1), ("again", 1), ("other", 2)):
            train.train(tmp_path / name, seed, 3, torch.device("cpu"))
    files = {
        name: [(tmp_path / name / file).read_bytes() for file in ("tokenizer.json", "model.safetensors")]
        for name in ("one", "again", "other")
    }
    assert files["one"] == files["again"]
    assert files["one"] != files["other"]
