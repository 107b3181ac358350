"""Runs a command on two cores beside busy processes: ``python -m tests.beside_load 8 make test``."""

from __future__ import annotations

import os
import subprocess
import sys

from engine.worker.descendants import die_with_parent

CORES = 2


def main(busy: int, command: list[str]) -> int:
    """Return the exit code of ``command``, run beside ``busy`` processes of the same priority."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    spinners = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=die_with_parent)
        for _ in range(busy)
    ]
    try:
        return subprocess.run(command, check=False).returncode
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
