"""Children of the launcher that are late, at the start or at the end."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import cast

import pytest

from launch.server.child import Child, ChildError, ChildStage
from launch.server.local_starter import LocalStarter
from launch.server.progress import Progress
from launch.server.starter import ChildSpec, Family
from launch.server.supervisor import Supervisor
from launch.server.time_limits import TimeLimits
from tests.launch.server.stand_in import CHILD
from tests.waiting import GUARD_SECONDS


async def test_a_late_child_is_named_with_its_last_stage(tmp_path: Path) -> None:
    """And with the flag to change and its last words."""
    plan = {"name": "a", "journal": str(tmp_path / "journal"), "gate": str(tmp_path / "never")}
    imported = asyncio.Event()

    def report(_label: str, status: ChildStage) -> None:
        if status.stage == "imported":
            imported.set()

    spec = ChildSpec(label="a", command=(sys.executable, "-c", CHILD), line=json.dumps(plan).encode())
    child = await Child.start(LocalStarter(), spec, tmp_path, report)
    try:
        async with asyncio.timeout(GUARD_SECONDS):
            await imported.wait()
        with pytest.raises(ChildError) as raised:
            await child.until_ready(0.0)
    finally:
        child.kill()
        assert await child.gone(GUARD_SECONDS)
    late, words = str(raised.value).splitlines()
    assert late == (
        "a was not ready after 0 s (last stage: imported); allow more with --start-timeout-seconds"
    )
    assert words.startswith("    words of a")


class _Asked:
    """Ends as soon as it is asked to, unless it is ``stubborn``."""

    def __init__(self, label: str, stubborn: bool) -> None:
        self.label = label
        self.running = True
        self.killed = False
        self._stubborn = stubborn

    def terminate(self) -> None:
        self.running = self._stubborn

    async def wait(self) -> None:
        if self.running:
            await asyncio.Event().wait()

    def kill(self) -> None:
        self.killed = True


async def test_only_those_that_do_not_end_in_time_are_killed() -> None:
    """The others have ended by themselves."""
    family = Family(ChildSpec(label="c", command=(), line=b""), [])
    limits = TimeLimits(start_seconds=1.0, drain_seconds=1.0)
    supervisor = Supervisor(lambda _: family, LocalStarter(), limits, Progress(), str)
    asked = {"a": _Asked("a", stubborn=True), "b": _Asked("b", stubborn=False)}
    supervisor._children = cast(dict[str, Child], asked)
    assert await supervisor._end(["a", "b"], 0.01) == ["a"]
    assert (asked["a"].killed, asked["b"].killed) == (True, False)
