"""How long an output is likely to be: what the latest calls like it had."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from statistics import median

Key = tuple[str | None, str | None, str, int | None]
"""Workflow kind, database, stage and branch; ``None`` stands for any."""

WINDOW = 50
"""Calls looked back on per key."""
_NEAREST = 9
"""Of these, those with the most similar prompts count."""
_LEAST = 3
"""Fewer calls say too little: a more general key is asked."""
_MOST_KEYS = 4096


class OutputLengths:
    """The latest prompts and outputs per key, in tokens.

    Most outputs of a stage are alike and a few are many times longer: the mean is near none of them, the
    median is.  Longer questions have longer answers: the prompts of most similar length tell best.
    """

    def __init__(self) -> None:
        self._latest: OrderedDict[Key, deque[tuple[int, int]]] = OrderedDict()  # unused keys stand first

    def observe(self, key: Key, prompt_tokens: int, output_tokens: int) -> None:
        """Note a finished call."""
        latest = self._latest.setdefault(key, deque(maxlen=WINDOW))
        latest.append((prompt_tokens, output_tokens))
        self._latest.move_to_end(key)
        if len(self._latest) > _MOST_KEYS:
            self._latest.popitem(last=False)

    def likely(self, keys: Sequence[Key], prompt_tokens: int) -> float | None:
        """Return the likely output after a prompt, by the first of ``keys`` that is known; else ``None``."""
        for key in keys:
            latest = self._latest.get(key, ())
            if len(latest) >= _LEAST:
                nearest = sorted(latest, key=lambda call: abs(call[0] - prompt_tokens))[:_NEAREST]
                return float(median(output for _, output in nearest))
        return None

    def rows(self) -> list[tuple[Key, list[tuple[int, int]]]]:
        """Return all that is known, for :meth:`observe`."""
        return [(key, list(latest)) for key, latest in self._latest.items()]

    def restore(self, rows: Iterable[tuple[Key, Iterable[tuple[int, int]]]]) -> None:
        """Take in what :meth:`rows` returned."""
        for key, calls in rows:
            for prompt_tokens, output_tokens in calls:
                self.observe(key, prompt_tokens, output_tokens)
