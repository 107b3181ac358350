"""``python -m plugins.text2sql.demo.training.train FOLDER``: train the demo model from nothing.

Everything follows from ``--seed``.  A run that was interrupted goes on where its last checkpoint was made
when the same command is given again.
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from plugins.text2sql.demo.training.language.world import World, demo_world
from plugins.text2sql.demo.training.network import CONTEXT, Network, Size
from plugins.text2sql.demo.training.tasks import held_out_tasks, tasks
from plugins.text2sql.demo.training.tokenizer import END, PAD, encode, save_tokenizer, train_tokenizer

_VOCABULARY_TASKS = 40_000
_POOL_BATCHES = 48
_BATCH_TASKS = 96
_WARM_UP = 60
_REPORT, _CHECK, _KEEP = 100, 1000, 100
_CHECKED = 512
_IGNORED = -100
_PADDING = 8

Example = tuple[list[int], int]


@dataclass(slots=True)
class Trainer:
    """The network and its two optimisers: Muon for matrices, AdamW for the rest."""

    network: Network
    optimisers: tuple[torch.optim.Optimizer, torch.optim.Optimizer]
    device: torch.device
    rates: tuple[float, float]

    @classmethod
    def new(cls, size: Size, device: torch.device) -> Trainer:
        """Return a trainer of a network of ``size`` at its beginning."""
        network = Network(size).to(device)
        matrices = [p for p in network.layers.parameters() if p.ndim == 2]
        others = [p for p in network.parameters() if not any(p is matrix for matrix in matrices)]
        rates = (0.012, 2e-3)
        muon = torch.optim.Muon(matrices, lr=rates[0], weight_decay=0.0)
        adam = torch.optim.AdamW(others, lr=rates[1], betas=(0.9, 0.98), weight_decay=0.0)
        return cls(network, (muon, adam), device, rates)

    def step(self, batch: Sequence[Example], share: float) -> float:
        """Learn from ``batch`` at ``share`` of the full learning rates; return the mean loss."""
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * share
        logits, wanted = self._answers(batch)
        loss = functional.cross_entropy(logits.float(), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return float(loss.detach())

    @torch.no_grad()
    def exact(self, examples: Sequence[Example]) -> float:
        """Return the share of answers of which every token is the most likely one, given those before."""
        right = 0
        for place in range(0, len(examples), _BATCH_TASKS):
            batch = examples[place : place + _BATCH_TASKS]
            logits, wanted = self._answers(batch)
            hits = (logits.argmax(-1) == wanted).tolist()
            for ids, prompt in batch:
                right += all(hits[: len(ids) - prompt])
                del hits[: len(ids) - prompt]
        return right / len(examples)

    def _answers(self, batch: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """Return the logits for all answers' tokens, and these."""
        # Few different shapes: a CPU's matrix library keeps buffers for each.
        longest = -(-max(len(ids) for ids, _ in batch) // _PADDING) * _PADDING
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        wanted = torch.full((len(batch), longest), _IGNORED)
        for row, (tokens, prompt) in enumerate(batch):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            wanted[row, prompt - 1 : len(tokens) - 1] = torch.tensor(tokens[prompt:])
        ids, wanted = ids.to(self.device), wanted.to(self.device)
        chosen = wanted != _IGNORED
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.network(ids, chosen), wanted[chosen]

    def keep(self, path: Path, step: int) -> None:
        """Write a checkpoint."""
        state = {"step": step, "network": self.network.state_dict()}
        torch.save(
            state | {"optimisers": [o.state_dict() for o in self.optimisers]}, path.with_suffix(".new")
        )
        path.with_suffix(".new").replace(path)

    def resume(self, path: Path) -> int:
        """Go back to a checkpoint, if there is one, and return its step."""
        if not path.is_file():
            return 0
        state = torch.load(path, map_location=self.device)
        self.network.load_state_dict(state["network"])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        return int(state["step"])


@dataclass(slots=True)
class Batches(IterableDataset[list[Example]]):
    """Batches of examples of like lengths from batch ``first`` on, the same ones for a ``seed``."""

    world: World
    tokenizer: Tokenizer
    seed: int
    first: int

    def __iter__(self) -> Iterator[list[Example]]:
        for pool in itertools.count(self.first // _POOL_BATCHES):
            rng = random.Random(f"{self.seed}/{pool}")
            drawn = itertools.islice(tasks(self.world, rng), _POOL_BATCHES * _BATCH_TASKS)
            examples = [encode(self.tokenizer, task) for task in drawn]
            examples.sort(key=lambda example: len(example[0]))
            order = list(range(_POOL_BATCHES))
            rng.shuffle(order)
            for place in order[max(0, self.first - pool * _POOL_BATCHES) :]:
                yield examples[place * _BATCH_TASKS : (place + 1) * _BATCH_TASKS]


def train(folder: Path, seed: int, steps: int, device: torch.device) -> None:
    """Train for ``steps`` batches and write model and tokenizer to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    torch.manual_seed(seed)
    started = time.monotonic()
    with demo_world() as world:
        words = list(itertools.islice(tasks(world, random.Random(seed)), _VOCABULARY_TASKS))
        tokenizer = train_tokenizer(words)
        checks = [encode(tokenizer, task) for task in held_out_tasks(world, random.Random(seed), _CHECKED)]
        trainer = Trainer.new(Size(tokenizer.get_vocab_size()), device)
        first = trainer.resume(checkpoint)
        size = sum(p.numel() for p in trainer.network.parameters())
        print(
            f"{size:,} parameters, {tokenizer.get_vocab_size()} tokens, step {first} of {steps}", flush=True
        )
        losses: list[float] = []
        # In a process of its own, so that no core waits for it.
        drawn = Batches(world, tokenizer, seed, first)
        made = DataLoader(drawn, batch_size=None, num_workers=1, prefetch_factor=8)
        for step, batch in zip(range(first, steps), made, strict=False):
            share = min((step + 1) / _WARM_UP, (steps - step) / steps)
            losses.append(trainer.step(batch, share))
            if (step + 1) % _REPORT == 0:
                seconds = time.monotonic() - started
                print(f"step {step + 1}: loss {sum(losses) / len(losses):.4f}, {seconds:.0f} s", flush=True)
                losses.clear()
            if (step + 1) % _CHECK == 0:
                print(f"step {step + 1}: {trainer.exact(checks):.1%} of held-out answers exact", flush=True)
            if (step + 1) % _KEEP == 0:
                trainer.keep(checkpoint, step + 1)
        print(f"{trainer.exact(checks):.1%} of held-out answers exact", flush=True)
    trainer.network.save(folder, tokenizer.token_to_id(END), tokenizer.token_to_id(PAD))
    save_tokenizer(tokenizer, folder, CONTEXT)
    checkpoint.unlink(missing_ok=True)


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the model goes, and its checkpoints until then")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same model")
    parser.add_argument("--steps", type=int, default=6500, help=f"batches of {_BATCH_TASKS} examples")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train(arguments.folder, arguments.seed, arguments.steps, torch.device(arguments.device))


if __name__ == "__main__":
    main()
