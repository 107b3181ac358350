"""Waiting for states: the only way in which tests let time pass."""

from __future__ import annotations

import time
from collections.abc import Callable

GUARD_SECONDS = 300.0
"""How long a state may take on the slowest machine: a bound against hanging, never what a test asserts."""


def eventually(condition: Callable[[], bool], seconds: float = GUARD_SECONDS) -> bool:
    """Wait at most ``seconds`` for ``condition`` and return whether it came true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
