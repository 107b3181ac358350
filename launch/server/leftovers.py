"""What killed processes leave in shared memory: semaphores and SGLang's and torch's segments."""

from __future__ import annotations

from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (the kernel's name for it)
_NAMES = ("sem.mp-", "sglang_", "nccl-", "torch_")


def mapped_inodes(pid: int) -> set[int]:
    """Return the shared memory that a process uses: inodes, since a semaphore's name changes once mapped."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    except OSError:  # it has ended
        return set()
    return {int(line.split()[4]) for line in lines if str(_SHARED_MEMORY) in line}


def remove(inodes: set[int]) -> None:
    """Remove the files in shared memory with one of ``inodes`` and a name that such processes use."""
    for path in _SHARED_MEMORY.iterdir() if inodes else ():
        if path.name.startswith(_NAMES) and _inode(path) in inodes:
            path.unlink(missing_ok=True)


def _inode(path: Path) -> int | None:
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return None
