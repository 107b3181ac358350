"""How a worker's life ends, with the simulated runtime in a real process."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from engine.wire.messages import AbortRequest, Finished, Introduce, Shutdown
from tests.engine.fake_controller import FakeController, rid
from tests.engine.worker_process import ENDLESS, PROMPT, SLOW, StartWorker, generate
from tests.waiting import reached


async def test_says_hello_again_to_a_controller_that_fell_silent(
    controller: FakeController, worker: StartWorker
) -> None:
    """Without pings the worker introduces itself anew, so that a new controller learns of it."""
    async with worker():
        await controller.until(lambda: bool(controller.heartbeats))
        controller.pinging = False
        controller.hellos.clear()
        await controller.hello("sim")


async def test_a_new_controller_finds_the_runtime_free(
    controller: FakeController, worker: StartWorker, endpoint: str
) -> None:
    """The worker introduces itself at once; what an earlier controller asked for has ended with its link."""
    async with worker(heartbeat_seconds=3600.0, engine_args=SLOW) as process:
        await controller.until(lambda: bool(controller.heartbeats))
        # By itself it says nothing for an hour from here on.
        controller.send("sim", generate("ghost", PROMPT, sampling=ENDLESS))
        await controller.begun("ghost")
        await controller.close()
        successor = FakeController(endpoint)
        try:
            successor.fresh = True
            assert (await successor.hello("sim")).connection == 1
            assert await successor.failure("ghost") == "unavailable"
            successor.fresh = False
            assert isinstance(await successor.finished("sim", generate("next", PROMPT)), Finished)
            assert process.process.returncode is None
        finally:
            await successor.close()


async def test_a_worker_that_is_welcomed_again_goes_on(
    controller: FakeController, worker: StartWorker
) -> None:
    """A controller that had only been silent gets what it had asked for."""
    async with worker(engine_args=SLOW | {"max_running_requests": 1}):
        await controller.until(lambda: bool(controller.heartbeats))
        controller.send("sim", generate("first", PROMPT, sampling=ENDLESS), generate("second", PROMPT))
        controller.hellos.clear()
        controller.send("sim", Introduce())
        await controller.hello("sim")
        await controller.load(running=1, waiting=1)
        controller.send("sim", AbortRequest(rid=rid("first")))
        assert isinstance(await controller.ending("second"), Finished)


async def test_shutdown_lets_running_requests_finish(controller: FakeController, worker: StartWorker) -> None:
    """Within the grace what runs ends normally, new requests are refused, then the process ends."""
    async with worker(engine_args=SLOW | {"max_running_requests": 1}) as process:
        await controller.hello("sim")
        # The one slot is held, so that the other request isn't at its end when the shutdown comes.
        controller.send("sim", generate("holds", PROMPT, sampling=ENDLESS), generate("slow", PROMPT))
        controller.send("sim", Shutdown(grace_seconds=3600), generate("new", PROMPT))
        assert await controller.failure("new") == "unavailable"
        controller.send("sim", AbortRequest(rid=rid("holds")))
        assert await controller.failure("holds") == "cancelled"
        assert isinstance(await controller.ending("slow"), Finished)
        assert await process.ended() == 0


async def test_shutdown_cuts_off_what_outlasts_the_grace(
    controller: FakeController, worker: StartWorker
) -> None:
    """After the grace the rest fails as unavailable, so that the controller can run it elsewhere."""
    async with worker(engine_args=SLOW) as process:
        await controller.hello("sim")
        controller.send("sim", generate("endless", PROMPT, sampling=ENDLESS), Shutdown(grace_seconds=0.05))
        assert await controller.failure("endless") == "unavailable"
        assert await process.ended() == 0


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT"])
async def test_ends_by_itself_and_leaves_nothing(
    controller: FakeController, worker: StartWorker, how: str
) -> None:
    """A signal ends the worker; running requests are told."""
    async with worker(orphan_seconds=3600.0, engine_args=SLOW) as process:
        await controller.hello("sim")
        controller.send("sim", generate("r", PROMPT, sampling=ENDLESS))
        await controller.begun("r")
        process.process.send_signal(signal.Signals[how])
        assert await controller.failure("r") == "unavailable"
        assert await process.ended() == 0
        assert list(process.temporary.iterdir()) == []


async def test_without_a_launcher_it_serves_its_controller_to_the_end(
    controller: FakeController, worker: StartWorker, tmp_path: Path
) -> None:
    """The controller finishes what it accepted and says when; the last one removes the server's folder."""
    folder = tmp_path / "shared"
    (folder / "logs").mkdir(parents=True)
    async with worker(orphan_seconds=3600.0, shared_folder=str(folder)) as process:
        await controller.hello("sim")
        process.cut_lifeline()
        await reached(lambda: "the launcher is gone" in process.log.read_text())
        assert isinstance(await controller.finished("sim", generate("r", PROMPT)), Finished)
        controller.send("sim", Shutdown(grace_seconds=0.0))
        assert await process.ended() == 0
        assert list(process.temporary.iterdir()) == []
        assert not folder.exists()


async def test_without_anybody_it_ends(controller: FakeController, worker: StartWorker) -> None:
    """Launcher and controller were killed: the worker waits for no other controller."""
    async with worker(orphan_seconds=3600.0, engine_args=SLOW) as process:
        await controller.hello("sim")
        controller.send("sim", generate("r", PROMPT, sampling=ENDLESS))
        await controller.begun("r")
        controller.pinging = False
        process.cut_lifeline()
        assert await controller.failure("r") == "unavailable"
        assert await process.ended() == 0
        assert list(process.temporary.iterdir()) == []


async def test_without_a_controller_it_ends_and_leaves_nothing(worker: StartWorker) -> None:
    """So it does whenever its controller is lost (``test_worker_protocol`` has requests running then)."""
    async with worker(orphan_seconds=0.0) as process:
        assert await process.ended() == 0
        assert list(process.temporary.iterdir()) == []
        assert "no sign of a controller" in process.log.read_text()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"engine_args": {"tp_size": 2}}, "no argument tp_size"),
        ({"engine_args": {"decode_tokens_per_second": 0}}, "must be a positive number"),
        ({"slowdown": 0.5}, "slowdown is 0.5"),
        ({"model_path": "/"}, "/tokenizer.json can't be read as a tokenizer"),
        (
            {"simulated": False, "device": "cpu", "model_path": "/nowhere/model"},
            "/nowhere/model has no config.json",
        ),
    ],
)
async def test_a_start_that_fails_says_why_in_a_sentence(
    worker: StartWorker, fields: dict[str, Any], sentence: str
) -> None:
    """A wrong specification ends the worker within seconds with one clear sentence and exit code 1."""
    async with worker(**fields) as process:
        status = await process.until("ready")
        assert status["stage"] == "failed"
        assert sentence in status["message"]
        assert "Error:" not in status["message"]
        assert "\n" not in status["message"]
        assert await process.ended() == 1
