"""Prompts of a trace as token ids, the same for every system that is measured."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sched.errors import ConfigError
from sched.sim.prompt_chains import identity
from sched.traces.trace_format import TraceCall, TraceWorkflow

IDS = (300, 1700)
"""In every vocabulary, the demo model's included, and none of the special ones."""

STOP_ID = IDS[1]
"""A token that no prompt has."""


def token_ids(workflow: TraceWorkflow, call: TraceCall) -> NDArray[np.int64]:
    """Return the prompt of a call: its segments one after another.

    A segment is the beginning of a text that its identity alone tells, so that prompts share their prefixes
    exactly as the simulator takes them to.
    """
    return np.concatenate(
        [
            _text(identity(segment, workflow.id, call.id, place), segment.tokens)
            for place, segment in enumerate(call.segments)
        ]
    )


def _text(name: object, tokens: int) -> NDArray[np.int64]:
    seed = int.from_bytes(hashlib.blake2b(repr(name).encode(), digest_size=8).digest(), "big")
    return np.random.Generator(np.random.PCG64(seed)).integers(*IDS, size=tokens)


def scaled(workflows: Iterable[TraceWorkflow], scale: float) -> list[TraceWorkflow]:
    """Return ``workflows`` with every length in tokens times ``scale``, at least 1; seconds stay.

    Raises:
        ConfigError: ``scale`` is not above 0.
    """
    if not scale > 0:
        raise ConfigError(f"--token-scale must be above 0, not {scale}", field="token_scale")

    def tokens(count: int) -> int:
        return max(1, round(count * scale))

    def shorter(call: TraceCall) -> TraceCall:
        output = tokens(call.output)
        return TraceCall(
            **call.model_dump(exclude={"segments", "output", "max_new_tokens"}),
            segments=tuple(s._replace(tokens=tokens(s.tokens)) for s in call.segments),
            output=output,
            max_new_tokens=max(output, tokens(call.limit_tokens)),
        )

    return [w.model_copy(update={"calls": tuple(map(shorter, w.calls))}) for w in workflows]
