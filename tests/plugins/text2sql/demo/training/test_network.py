"""The trainer learns, and goes on where it was interrupted.  That SGLang runs its network, the demo shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
import torch

from plugins.text2sql.demo.training import train
from plugins.text2sql.demo.training.language.world import World
from plugins.text2sql.demo.training.network import Size
from plugins.text2sql.demo.training.train import Trainer

SMALL = partial(Size, width=32, layers=2, heads=2, feed_forward=64)
"""Of a network that is trained in no time, for a vocabulary."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As the trainer does; threads that wait for each other on a busy machine take many times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "size",
    [
        SMALL(64),
        # Minutes on a processor without bfloat16; what is claimed doesn't depend on the size.
        pytest.param(Size(64), marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
    ids=["small", "the demo model's"],
)
def test_training_learns_and_resumes(tmp_path: Path, size: Size) -> None:
    """A few examples are learned by heart; a checkpoint goes on exactly where it was made."""
    torch.manual_seed(2)
    examples = [([5, 6, 7 + n, 20 + n, 40 + n, 0], 3) for n in range(8)]
    trainer = Trainer.new(size, torch.device("cpu"))
    for _ in range(30):
        trainer.step(examples, 1.0)
    assert trainer.exact(examples) == 1.0
    trainer.keep(tmp_path / "checkpoint.pt", 30)
    again = Trainer.new(size, torch.device("cpu"))
    assert again.resume(tmp_path / "missing.pt") == 0
    assert again.resume(tmp_path / "checkpoint.pt") == 30
    assert again.step(examples, 0.5) == pytest.approx(trainer.step(examples, 0.5))


def test_the_same_seed_gives_the_same_weights(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokenizer and weights are the same to the last bit, whatever was drawn in the process before."""
    monkeypatch.setattr(train, "Size", SMALL)
    monkeypatch.setattr(train, "_VOCABULARY_TASKS", 200)
    monkeypatch.setattr(train, "_CHECKED", 2)
    monkeypatch.setattr(train, "_POOL_BATCHES", 3)
    monkeypatch.setattr(train, "_BATCH_TASKS", 8)
    monkeypatch.setattr(train, "demo_world", lambda: nullcontext(world))
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        train.train(tmp_path / name, seed, 3, torch.device("cpu"))
    files = {
        name: [(tmp_path / name / file).read_bytes() for file in ("tokenizer.json", "model.safetensors")]
        for name in ("one", "again", "other")
    }
    assert files["one"] == files["again"]
    assert files["one"] != files["other"]
