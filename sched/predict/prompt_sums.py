"""The prompts of a prefill, as running sums: what it costs is asked often, and prompts are many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Prompt(NamedTuple):
    """A prompt in tokens: those to compute, and those before them that are cached."""

    uncached: int
    cached: int


class PromptSums:
    """Sums over prompts, each added and removed by its owner; ``reach`` and ``square`` as in ``speed.Pass``.

    All are multiples of a half below 2⁵², so nothing is lost by adding and removing.
    """

    __slots__ = ("count", "reach", "square", "tokens")

    def __init__(self, prompts: Iterable[Prompt] = ()) -> None:
        self.count = self.tokens = self.square = 0
        self.reach = 0.0
        for prompt in prompts:
            self.add(prompt)

    def add(self, prompt: Prompt) -> None:
        """Count a prompt."""
        self._count(prompt, 1)

    def remove(self, prompt: Prompt) -> None:
        """Count a prompt no more."""
        self._count(prompt, -1)

    def _count(self, prompt: Prompt, sign: int) -> None:
        uncached, cached = prompt
        self.count += sign
        self.tokens += sign * uncached
        self.reach += sign * uncached * (cached + uncached / 2)
        self.square += sign * (cached + uncached) ** 2
