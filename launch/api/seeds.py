"""Seeds: whether the same one gives the same output here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.controller.worker_table import WorkerTable
from sched.errors import InvalidRequestError

SEED = "sampling_seed"
"""SGLang's sampling parameter."""
_GREEDY_BELOW = 1e-6
"""SGLang takes lower temperatures for 0."""
_LOWEST, _COUNT = -(2**63), 2**64


def check_seed(workers: WorkerTable, sampling: Mapping[str, Any], field: str) -> None:
    """Refuse a seed among SGLang's ``sampling`` parameters that would have no effect; ``field`` is its name.

    Raises:
        InvalidRequestError: the output is sampled, and not all runtimes sample by seeds.
    """
    greedy = sampling.get("temperature", 1.0) < _GREEDY_BELOW or sampling.get("top_k") == 1
    if sampling.get(SEED) is None or greedy or workers.sample_by_seed:
        return
    raise InvalidRequestError(
        f"{field} has no effect on these runtimes: start them with `-- --enable-deterministic-inference`, "
        "set temperature to 0, or leave it out",
        field=field,
    )


def of_choice(sampling: Mapping[str, Any], choice: int) -> dict[str, Any]:
    """Return ``sampling`` with a seed of its own for each ``choice`` (from 0) of a prompt: they differ."""
    seed = sampling.get(SEED)
    if seed is None:
        return dict(sampling)
    return {**sampling, SEED: (seed + choice - _LOWEST) % _COUNT + _LOWEST}
