"""BIRD's soft F1: how much of the right rows' values an answer has.

The rule is that of ``evaluation_f1.py`` in BIRD's mini-dev: rows are taken once each, in the order in which
they come, and the n-th row found is compared with the n-th right one.
"""

from __future__ import annotations

from collections.abc import Sequence

from launch.bench.accuracy.scoring.execution import Row


def soft_f1(right: Sequence[Row], found: Sequence[Row]) -> float:
    """Return the score, from 0 to 1; of two empty results it is 1."""
    if not right and not found:
        return 1.0
    right, found = list(dict.fromkeys(right)), list(dict.fromkeys(found))
    both = only_found = only_right = 0.0
    for wanted, row in zip(right, found, strict=False):
        # Shares of the right row's columns, of the found row's too: further columns count more than once.
        inside = sum(value in wanted for value in row)
        both += inside / len(wanted)
        only_found += (len(row) - inside) / len(wanted)
        only_right += sum(value not in row for value in wanted) / len(wanted)
    only_right += max(0, len(right) - len(found))
    only_found += max(0, len(found) - len(right))
    # The harmonic mean of precision and recall.
    return 2 * both / (2 * both + only_found + only_right)
