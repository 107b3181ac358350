"""pip as a program: it finds its registry by itself, and its failures become one sentence."""

from __future__ import annotations

import subprocess
import sys

_SECONDS = 1200.0


class PipError(Exception):
    """pip failed or took too long; the message has what pip said."""


def pip(*arguments: str) -> None:
    """Run pip of this Python, without output.

    Raises:
        PipError: it fails, or takes longer than 20 minutes.
    """
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise PipError(f"pip took longer than {_SECONDS:.0f} s: try again") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["?"]
        said = [line for line in lines if line.startswith("ERROR:")] or lines[-1:]
        raise PipError(f"pip {arguments[0]} failed: {'; '.join(said)}")
