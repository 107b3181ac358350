"""Sluice's lines reach the worker's log, whatever SGLang makes of the root logger."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from engine.wire.messages import Shutdown
from tests.engine.fake_controller import FakeController
from tests.engine.worker_process import StartWorker
from tests.waiting import GUARD_SECONDS

LIKE_SGLANG = """
import logging, sys
from engine.worker.own_log import log_as
log_as("cpu-0", sys.argv[1])
# As sglang.srt.utils.configure_logger does when an engine starts.
logging.basicConfig(level=logging.ERROR, format="[sglang] %(message)s", force=True)
logging.getLogger("engine.worker.self_calibration").info("prefills 64 tokens")
logging.getLogger("sched.predict").warning("strange")
logging.getLogger("sglang.srt").info("quiet")
logging.getLogger("sglang.srt").error("loud")
"""


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (
            "info",
            [
                "INFO cpu-0 engine.worker.self_calibration: prefills 64 tokens",
                "WARNING cpu-0 sched.predict: strange",
                "[sglang] loud",
            ],
        ),
        ("warning", ["WARNING cpu-0 sched.predict: strange", "[sglang] loud"]),
        ("error", ["[sglang] loud"]),
    ],
)
def test_our_lines_survive_sglangs_logging(level: str, expected: list[str]) -> None:
    """From the level on, once, under the runtime's name; SGLang's lines are as it wants them."""
    command = [sys.executable, "-c", LIKE_SGLANG, level]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GUARD_SECONDS, check=True)
    lines = [re.sub(r"^[-0-9]+ [0-9:,]+ ", "", line) for line in done.stderr.splitlines()]
    assert lines == expected


@pytest.mark.parametrize(("level", "said"), [("info", 1), ("error", 0)])
async def test_a_worker_logs_from_its_level_on(
    controller: FakeController, worker: StartWorker, level: str, said: int
) -> None:
    """Under its own name."""
    async with worker(log_level=level) as process:
        await controller.hello("sim")
        controller.send("sim", Shutdown(grace_seconds=0.0))
        assert await process.ended() == 0
    log = process.log.read_text()
    assert log.count("INFO sim engine.worker: ended: ") == said
