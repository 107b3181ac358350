"""The processes below this one: their end, and their names in shared memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

import psutil

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (the kernel's name for it)
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_LOADED_AT_START = ("sem.mp-", "sglang_loads_")
_LOADED_LATER = ("nccl-", "torch_")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, from now on.

    SGLang's processes do the same, but only after seconds of imports.
    """
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)


def unlink_shared_files(prefixes: tuple[str, ...] = _LOADED_AT_START) -> None:
    """Remove the names of the shared-memory files that this family of processes has mapped.

    SGLang leaves semaphores and load reports behind when its processes are killed.  A mapped file lives
    on without its name, so after the start, when everyone has mapped it, the name can go.
    """
    this = psutil.Process()
    mapped = {inode for process in (this, *this.children(recursive=True)) for inode in _mapped(process.pid)}
    for path in _SHARED_MEMORY.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.name.startswith(prefixes) and path.stat().st_ino in mapped:
                path.unlink()


def end_children(timeout_seconds: float = 10.0) -> bool:
    """Kill every descendant of this process and unlink its shared memory; this process must end next.

    Returns whether all are gone within the time.
    """
    children = psutil.Process().children(recursive=True)
    unlink_shared_files(_LOADED_AT_START + _LOADED_LATER)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    return not psutil.wait_procs(children, timeout=timeout_seconds)[1]


def _mapped(pid: int) -> set[int]:
    """Return inodes, since a semaphore is mapped under a name that it no longer has."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return {int(line.split()[4]) for line in lines if str(_SHARED_MEMORY) in line}
