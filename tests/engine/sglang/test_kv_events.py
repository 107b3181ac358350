"""How SGLang's cache events are asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.sglang.engine_arguments import engine_arguments
from engine.sglang.kv_events import CacheWatch
from engine.wire.messages import WireMessage
from engine.wire.worker_spec import WorkerSpec
from engine.worker.runtime_interface import StartError


def arguments(folder: Path, *, kv_events: bool = True, **engine_args: Any) -> dict[str, Any]:
    """Return the arguments of a CPU runtime."""
    spec = WorkerSpec(
        name="r",
        endpoint="ipc:///x",
        model_path="/m",
        device="cpu",
        kv_events=kv_events,
        engine_args=engine_args,
    )
    return engine_arguments(spec, folder)


def test_events_are_published_in_the_workers_folder(tmp_path: Path) -> None:
    """By ipc, which SGLang's publisher binds and which leaves the network alone; the latest are repeated."""
    config = json.loads(arguments(tmp_path)["kv_events_config"])
    assert config["publisher"] == "zmq"
    assert {config["endpoint"], config["replay_endpoint"]} == {
        f"ipc://{tmp_path}/kv-events",
        f"ipc://{tmp_path}/kv-replay",
    }


def unexpected(message: WireMessage) -> bool:
    raise AssertionError(f"{message.kind} was sent")


@pytest.mark.parametrize(
    "settings",
    [{"kv_events": False}, {"dp_size": 2}, {"speculative_algorithm": "EAGLE"}],
    ids=lambda settings: next(iter(settings)),
)
def test_where_they_would_mislead_there_are_none(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Without events nothing is followed or reported."""
    found = arguments(tmp_path, **settings)
    assert "kv_events_config" not in found
    watch = CacheWatch("r", found, tmp_path)
    watch.start()
    watch.report(unexpected)
    watch.close()


def test_the_events_are_ours_or_the_users(tmp_path: Path) -> None:
    """A publisher of the user's own needs ours switched off, and the message says how."""
    own = '{"publisher": "zmq"}'
    with pytest.raises(StartError, match="--no-kv-events"):
        arguments(tmp_path, kv_events_config=own)
    found = arguments(tmp_path, kv_events=False, kv_events_config=own)
    assert found["kv_events_config"] == own
    CacheWatch("r", found, tmp_path).start()


def test_a_cpu_does_not_overlap(tmp_path: Path) -> None:
    """There it would delay first tokens by a batch and keep siblings from sharing."""
    assert arguments(tmp_path)["disable_overlap_schedule"] is True
