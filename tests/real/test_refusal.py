"""A server whose queue would not be in our order does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from launch.checks import free_port
from tests.pass_gate import add_plugin
from tests.real.real_server import ROOT, START_SECONDS

BROKEN_PLUGIN = """
from sglang.srt.plugins.hook_registry import HookRegistry, HookType

def explode(original, *args, **kwargs):
    raise RuntimeError("this hook is broken")

def register():
    target = "sglang.srt.managers.schedule_policy.SchedulePolicy.calc_priority"
    HookRegistry.register(target, explode, HookType.AROUND)
"""


@pytest.mark.real
@pytest.mark.slow
def test_a_hook_that_raises_makes_the_server_refuse_to_start(tmp_path: Path) -> None:
    """SGLang itself would go on without it: the missing proof ends the start with one clear sentence."""
    add_plugin(tmp_path, "broken", "broken_plugin:register")
    (tmp_path / "broken_plugin.py").write_text(BROKEN_PLUGIN)
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    before = set(psutil.pids())
    done = subprocess.run(
        [sys.executable, "-m", "launch.server", "--cpu-slots", "1", "--port", str(free_port())],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )

    assert done.returncode == 1
    assert "is ready" not in done.stdout
    problem = next(line for line in done.stderr.splitlines() if "failed to start" in line)
    assert "runtime cpu-0" in problem
    assert "order" in problem, "the sentence says what could not be proved"
    left = [p for p in psutil.pids() if p not in before and _ours(p, str(temporary))]
    assert left == []
    assert list(temporary.rglob("*")) == []


def _ours(pid: int, temporary: str) -> bool:
    try:
        return psutil.Process(pid).environ().get("TMPDIR", "").startswith(temporary)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
