"""A plugin for SGLang that makes its forward passes last longer: unlike runtimes on like hardware.

It has an entry point of its own: with ``SGLANG_PLUGINS=sluice_slowdown`` a stock server is slowed down and
has nothing else of ours in it.  It does nothing unless ``SLUICE_SLOWDOWN`` is above 1.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from engine.sglang.variables import SLOWDOWN

PLUGIN = "sluice_slowdown"
"""The entry point's name."""

_SCHEDULER = "sglang.srt.managers.scheduler"
_MARK = "sluice_slowdown"


def register() -> None:
    """Stretch the scheduler's forward passes; a second call does nothing.

    Raises:
        ValueError: ``SLUICE_SLOWDOWN`` is not a number ≥ 1.
    """
    factor = float(os.environ.get(SLOWDOWN, "1"))
    if not factor >= 1:
        raise ValueError(f"{SLOWDOWN} is {factor}; it must be at least 1")
    scheduler = getattr(sys.modules.get(_SCHEDULER), "Scheduler", None)
    if factor == 1 or scheduler is None or hasattr(scheduler, _MARK):
        return
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    def slower(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return stretched(factor, original, *args, **kwargs)

    HookRegistry.register(f"{_SCHEDULER}.Scheduler.run_batch", slower, HookType.AROUND)
    setattr(scheduler, _MARK, factor)


def stretched(factor: float, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call ``function`` and stay busy until it has taken ``factor`` times as long.

    Busy, because a sleep leaves cold caches that lengthen the next pass (measured: 3 became 4 to 4.7).
    On a CPU the thread's own time counts, so that what other processes take isn't multiplied.  On a
    GPU a forward pass returns before its kernels ran, so they are waited for.
    """
    import torch

    on_gpu = torch.cuda.is_available()
    clock = time.perf_counter if on_gpu else time.thread_time
    started = clock()
    result = function(*args, **kwargs)
    if on_gpu:
        torch.cuda.synchronize()
    until = started + factor * (clock() - started)
    while clock() < until:
        pass
    return result
