"""Whether a process of this machine is stopped: by the kernel, so that it isn't taken for a starved one."""

from __future__ import annotations

import psutil

_STOPPED = frozenset({psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP})


def is_stopped(pid: int) -> bool:
    """Tell whether ``pid`` was stopped by a signal or a debugger; one that has ended is not."""
    try:
        return psutil.Process(pid).status() in _STOPPED
    except psutil.NoSuchProcess:
        return False
