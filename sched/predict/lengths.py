"""How long an output is likely to be: what the latest calls like it had."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from statistics import median

Key = tuple[str | None, str | None, str, int | None]
"""Workflow kind, database, stage and branch; ``None`` stands for any."""

WINDOW = 100
"""Calls looked back on per key."""
_NEAREST = 9
"""Of these, those with the most similar prompts count."""
_LEAST = 3
"""Fewer calls say too little: a more general key is asked."""
_MOST_KEYS = 4096
_MOST_PROMPTS = 4096
"""Prompts remembered, the least used out first."""


class OutputLengths:
    """The latest prompts and outputs per key, in tokens.

    Most outputs of a stage are alike and a few are many times longer: the mean is near none of them, the
    median is.  Longer questions have longer answers: the prompts of most similar length tell best, unless the
    very same prompt came before.  ``last_block`` names a prompt up to its last full block
    (``sched/cache/prefix.py``; ``None``: it has none), and with its length tells it from others.
    """

    def __init__(self) -> None:
        self._latest: OrderedDict[Key, deque[tuple[int, int]]] = OrderedDict()  # unused keys stand first
        self._same: OrderedDict[tuple[Key, int, int], deque[int]] = OrderedDict()

    def observe(
        self, key: Key, prompt_tokens: int, output_tokens: int, last_block: int | None = None
    ) -> None:
        """Note a finished call."""
        latest = self._latest.setdefault(key, deque(maxlen=WINDOW))
        latest.append((prompt_tokens, output_tokens))
        self._latest.move_to_end(key)
        if len(self._latest) > _MOST_KEYS:
            self._latest.popitem(last=False)
        if last_block is not None:
            prompt = key, prompt_tokens, last_block
            self._same.setdefault(prompt, deque(maxlen=_NEAREST)).append(output_tokens)
            self._same.move_to_end(prompt)
            if len(self._same) > _MOST_PROMPTS:
                self._same.popitem(last=False)

    def likely(self, keys: Sequence[Key], prompt_tokens: int, last_block: int | None = None) -> float | None:
        """Return the likely output after a prompt: what it had before, by the first of ``keys`` that knows
        it, or else what its likes had, by the first that knows enough of them; ``None`` if none does."""
        if last_block is not None:
            for key in keys:
                if outputs := self._same.get((key, prompt_tokens, last_block)):
                    return float(median(outputs))
        for key in keys:
            latest = self._latest.get(key, ())
            if len(latest) >= _LEAST:
                newest = list(reversed(latest))  # of prompts equally near these count
                newest.sort(key=lambda call: abs(call[0] - prompt_tokens))
                return float(median(output for _, output in newest[:_NEAREST]))
        return None

    def rows(self) -> list[tuple[Key, list[tuple[int, int]]]]:
        """Return all that is known but for which prompt it was, for :meth:`observe`."""
        return [(key, list(latest)) for key, latest in self._latest.items()]

    def restore(self, rows: Iterable[tuple[Key, Iterable[tuple[int, int]]]]) -> None:
        """Take in what :meth:`rows` returned."""
        for key, calls in rows:
            for prompt_tokens, output_tokens in calls:
                self.observe(key, prompt_tokens, output_tokens)
