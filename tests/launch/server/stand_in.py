"""A launcher process with tiny stand-in children, for the tests of its supervision."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.waiting import GUARD_SECONDS, eventually

ROOT = Path(__file__).parents[3]

CHILD = """
import json, mmap, os, signal, subprocess, sys, time
status = int(sys.argv[sys.argv.index("--status-fd") + 1])
plan = json.loads(sys.stdin.readline())
def note(event):
    with open(plan["journal"], "a") as journal:
        journal.write(json.dumps([time.monotonic(), plan["name"], event]) + "\\n")
def report(stage, message=""):
    os.write(status, (json.dumps({"stage": stage, "seconds": 1.5, "message": message}) + "\\n").encode())
def finish(*_):
    note("term")
    if plan.get("stubborn"):
        return
    time.sleep(plan.get("drain", 0))
    note("end")
    os._exit(0)
signal.signal(signal.SIGTERM, finish)
note(f"pid {os.getpid()}")
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
if plan.get("grandchild"):
    note(f"pid {subprocess.Popen(sleeper, start_new_session=True).pid}")
if "shares" in plan:
    shared = open(plan["shares"], "w+b")
    shared.write(b"data")
    shared.flush()
    mapped = mmap.mmap(shared.fileno(), 4)
if plan.get("helper"):
    note(f"pid {subprocess.Popen(sleeper).pid}")
print("words of", plan["name"], os.environ["TMPDIR"], flush=True)
report("imported")
while "gate" in plan and not os.path.exists(plan["gate"]):
    time.sleep(0.01)
time.sleep(plan.get("delay", 0))
if "born" in plan:  # only the first one gets further
    try:
        open(plan["born"], "x").close()
    except FileExistsError:
        sys.exit(plan["dies_later"])
if "dies" in plan:
    sys.exit(plan["dies"])
if "fails" in plan:
    report("failed", plan["fails"])
    time.sleep(600)
os.write(status, b"no JSON\\n")
report("ready", plan.get("notice", ""))
note("ready")
if "dies_later" in plan:
    time.sleep(0.2)
    os._exit(plan["dies_later"])
if plan.get("lives"):
    os.write(status, b'{"alive": true}\\n')
if "notices" in plan:
    os.write(status, json.dumps({"notice": plan["notices"]}).encode() + b"\\n")
for line in sys.stdin:
    note("told " + line.strip())
note("orphaned")
"""

LAUNCHER = """
import asyncio, json, signal, sys
from launch.server.local_starter import LocalStarter
from launch.server.progress import Progress
from launch.server.restart_backoff import RestartLimits
from launch.server.starter import ChildSpec, Family
from launch.server.supervisor import Supervisor
from launch.server.time_limits import TimeLimits
plans, limits, restarts, logs = json.loads(sys.argv[1])
# Where the tests run in the background it is ignored, and so it would be here.
signal.signal(signal.SIGINT, signal.default_int_handler)
def family(folder):
    print("folder", folder, oct(folder.stat().st_mode), flush=True)
    children = [
        ChildSpec(
            label=p["name"],
            command=(sys.executable, "-c", p["code"]),
            line=json.dumps(p).encode(),
            runtime=p["name"],
        )
        for p in plans
    ]
    return Family(children[0], children[1:])
ready = lambda seconds: f"READY after {seconds:.1f} s"
supervisor = Supervisor(
    family, LocalStarter(), TimeLimits(**limits), Progress(), ready, RestartLimits(**restarts), show_logs=logs
)
sys.exit(asyncio.run(supervisor.run()))
"""


class Server:
    """A launcher process with stand-in children; ``journal()`` holds (time, child, event).

    Children begin to be ready when the file that is their ``gate`` is there; of those with a file ``born``
    only the first one gets so far.  A ``stubborn`` one notes SIGTERM and goes on.  Limits are so long that
    none passes, unless a test is about it.
    """

    def __init__(
        self,
        folder: Path,
        plans: dict[str, dict[str, Any]],
        limits: dict[str, Any],
        restarts: dict[str, Any],
        logs: bool,
    ) -> None:
        self.folder = folder
        self._journal = folder / "journal"
        self._journal.touch()
        (folder / "tmp").mkdir()
        common = {"journal": str(self._journal), "code": CHILD}
        limits = {
            "start_seconds": GUARD_SECONDS,
            "drain_seconds": GUARD_SECONDS,
            "end_seconds": GUARD_SECONDS,
            "hurry_seconds": 0.5,
            **limits,
        }
        restarts = {"worker_backoff_seconds": 0.05, **restarts}
        argument = json.dumps(
            [[{"name": name, **common, **plan} for name, plan in plans.items()], limits, restarts, logs]
        )
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, argument],
                cwd=ROOT,
                env={**os.environ, "TMPDIR": str(folder / "tmp")},
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        """What the launcher has printed by now."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """What it has said on standard error by now."""
        return (self.folder / "err").read_text()

    def journal(self) -> list[tuple[float, str, str]]:
        return [tuple(json.loads(line)) for line in self._journal.read_text().splitlines()]

    def times(self, event: str) -> dict[str, float]:
        return {name: at for at, name, happened in self.journal() if happened == event}

    def pids(self, name: str = "") -> list[int]:
        events = [event for _, child, event in self.journal() if name in ("", child)]
        return [int(event.split()[1]) for event in events if event.startswith("pid ")]

    def until(self, condition: Callable[[], bool]) -> None:
        assert eventually(condition), f"waited in vain: {self.journal()}, {self.out}, {self.err}"

    def until_ready(self) -> None:
        """Wait until the launcher has said that all are ready."""
        self.until(lambda: "READY after" in self.out)

    def end(self) -> int:
        """Wait for the launcher and return its exit code."""
        return self.process.wait(GUARD_SECONDS)

    def alive(self) -> list[int]:
        return [pid for pid in self.pids() if alive(pid)]

    def left_nothing(self) -> bool:
        return not self.alive() and list((self.folder / "tmp").iterdir()) == []

    def kill(self) -> None:
        for pid in (self.process.pid, *self.alive()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
