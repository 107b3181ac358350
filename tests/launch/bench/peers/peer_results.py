"""Results of comparisons for tests: calibrations of made-up runtimes, and outcomes without any server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from launch.bench.peers.design import Design, Run, runs
from launch.bench.peers.results import PeerResults
from launch.bench.peers.systems import System
from launch.bench.replay.outcome import CallOutcome, WorkflowOutcome
from launch.bench.replay.player import PlayedItem
from sched.predict.calibration import Calibration
from sched.predict.speed import Speed
from sched.traces.trace_format import write_trace
from tests.launch.bench.replay.replay_fakes import call, workflow

SYSTEMS = (System("router:round_robin"), System("sluice:sluice+adaptive"))


def calibration(slowdown: float) -> Calibration:
    """Return what a small CPU runtime might have measured of itself."""
    speed = Speed(2e-4 * slowdown, 0.01 * slowdown, 1e-7, 0.004 * slowdown, request=0.01)
    return Calibration(
        key={"slowdown": slowdown},
        speed=speed,
        max_total_tokens=65536,
        max_running_requests=16,
        chunk_tokens=2048,
        error=0.0,
    )


CALIBRATIONS = {"fast": calibration(1.0), "slow": calibration(3.0)}


def design(folder: Path, **changes: object) -> Design:
    """Return a small design on a trace in ``folder``."""
    path = folder / "trace.jsonl"
    if not path.exists():
        flows = [
            workflow(str(n), call(0, output=20), call(1, 0, stage="draft", output=60 + 10 * n))
            for n in range(4)
        ]
        write_trace(path, "made for a test", flows)
    told = {"trace": str(path), "loads": (0.5, 1.0), "blocks": 2, "workflows": 30, "token_scale": 1.0}
    return Design(**told | changes)  # type: ignore[arg-type]


OUTSIDE = {"router": 0.01, "sluice": 0.02}

Play = Callable[[Run, Sequence[PlayedItem]], list[WorkflowOutcome]]


def results(path: Path | None, of: Design, play: Play, systems: Sequence[System] = SYSTEMS) -> PeerResults:
    """Return the complete results of a comparison in which ``play`` stands for the servers."""
    found = PeerResults.at(path, of)
    found.begin({"cores": 2}, CALIBRATIONS, OUTSIDE)
    work = found.work()
    for run in runs(of, systems):
        found.add(run, play(run, work.items(run.load, run.block)))
    return found


def outcome(item: PlayedItem, seconds: float, error: str | None = None) -> WorkflowOutcome:
    """Return a workflow that took ``seconds``, with one call on the fast runtime."""
    arrival = item.workflow.arrival
    told = CallOutcome(
        stage="draft",
        call=1,
        ready=arrival,
        sent=arrival,
        seconds=seconds,
        runtime="fast",
        queue_seconds=seconds / 2,
        prompt_tokens=10,
        cached_tokens=4,
    )
    return WorkflowOutcome(
        id=item.workflow.id,
        arrival=arrival,
        seconds=seconds,
        base_seconds=item.base_seconds,
        error=error,
        calls=(told,),
    )
