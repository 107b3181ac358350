"""Runs a program of SGLang's as its users do: ``python -m tests.real.stock_client MODULE ARGUMENTS``.

SGLang's clients import SGLang's server code, which on a machine without a GPU needs the same cures as our
runtimes.  Nothing of the clients is changed.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys

from engine.sglang import cpu
from tests.real.real_server import ROOT

_SECONDS = 240.0


def run_client(module: str, *arguments: str) -> str:
    """Return what ``module`` printed; a failure fails the test with its output."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.real.stock_client", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **cpu.environment(None), "SGLANG_PLUGINS": "none"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


if __name__ == "__main__":
    cpu.install_if_asked()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
