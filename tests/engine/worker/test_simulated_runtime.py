"""The worker's protocol over a real link and real processes, with the simulated runtime."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path

import pytest

from engine.wire.messages import AbortRequest, Chunk, Failed, Finished, FirstTokenReady, RekeyRequest
from engine.wire.ordering_proof import PROOF_ORDER
from engine.worker.runtime_interface import StartError
from engine.worker.self_calibration import calibrated, configure
from engine.worker.simulated_runtime import SimulatedRuntime
from tests.engine.fake_controller import FakeController, rid
from tests.engine.worker_process import ENDLESS, PROMPT, SLOW, StartWorker, generate, simulated_spec

ONE_SLOT = SLOW | {"max_running_requests": 1}
BRIEF = {"max_new_tokens": 2}


async def test_starts_without_sglang_and_introduces_itself_as_simulated(
    controller: FakeController, worker: StartWorker
) -> None:
    """A simulated worker reports its stages, loads nothing slow, and its hello says what it is."""
    async with worker() as process:
        await process.until("ready")
        assert [s["stage"] for s in process.stages] == ["spawned", "imported", "loaded", "hook_live", "ready"]
        assert "torch" not in process.libraries()
        hello = await controller.hello("sim")
        assert (hello.simulated, hello.device, hello.engine_version) == (True, "simulated", "simulated")
        assert tuple(hello.hook_proof) == PROOF_ORDER


async def test_answers_a_request_with_its_first_token_and_its_end_only(
    controller: FakeController, worker: StartWorker
) -> None:
    """A request that doesn't stream costs two messages, and its text is labelled."""
    async with worker():
        await controller.hello("sim")
        controller.send("sim", generate("a", PROMPT))
        ending = await controller.ending("a")
        assert isinstance(ending, Finished)
        assert [type(m) for m in controller.of("a")] == [FirstTokenReady, Finished]
        assert ending.text.startswith("simulated ")
        assert (ending.prompt_tokens, ending.output_tokens, len(ending.token_ids)) == (64, 8, 32)
        assert ending.finish_reason["type"] == "length"
        assert 0 < ending.ttft_seconds < ending.total_seconds


async def test_a_repeated_prompt_is_cached(controller: FakeController, worker: StartWorker) -> None:
    """The second request with the same prompt reports what the prefix cache gave."""
    async with worker():
        await controller.hello("sim")
        for name in ("first", "second"):
            controller.send("sim", generate(name, PROMPT))
            await controller.ending(name)
        first, second = (controller.of(name)[-1] for name in ("first", "second"))
        assert isinstance(first, Finished)
        assert isinstance(second, Finished)
        assert (first.cached_tokens, second.cached_tokens) == (0, 63)


async def test_a_stream_is_coalesced_and_complete(controller: FakeController, worker: StartWorker) -> None:
    """Chunks come at most every 20 ms, and together they are the whole output."""
    arguments = {"decode_tokens_per_second": 1000, "output_tokens": 100}
    async with worker(engine_args=arguments):
        await controller.hello("sim")
        controller.send("sim", generate("s", PROMPT, stream=True, sampling={"max_new_tokens": 100}))
        ending = await controller.ending("s")
        assert isinstance(ending, Finished)
        chunks = [m for m in controller.of("s") if isinstance(m, Chunk)]
        assert "".join(c.text for c in chunks) == ending.text
        assert b"".join(c.token_ids for c in chunks) == ending.token_ids
        assert 1 < len(chunks) <= ending.total_seconds / 0.02 + 2


async def test_the_queue_is_in_order_of_keys(controller: FakeController, worker: StartWorker) -> None:
    """Of requests that wait for the only slot, the smallest key runs first and ties keep their sequence."""
    async with worker(engine_args=ONE_SLOT):
        await controller.hello("sim")
        controller.send("sim", generate("running", PROMPT, sampling=ENDLESS, sequence=1))
        await controller.begun("running")
        places = {"late": (9.0, 2), "tie-b": (5.0, 4), "tie-a": (5.0, 3), "urgent": (-1.0, 5)}
        for name, (key, sequence) in places.items():
            controller.send("sim", generate(name, PROMPT, sampling=BRIEF, key=key, sequence=sequence))
        await controller.load(running=1, waiting=4)
        controller.send("sim", AbortRequest(rid=rid("running")))
        for name in places:
            await controller.ending(name)
        assert controller.endings() == ["running", "urgent", "tie-a", "tie-b", "late"]


async def test_a_waiting_request_takes_the_place_of_its_new_key(
    controller: FakeController, worker: StartWorker
) -> None:
    """A new key moves a request that waits, also right behind it on the link; a running one isn't stopped."""
    async with worker(engine_args=ONE_SLOT):
        await controller.hello("sim")
        controller.send("sim", generate("running", PROMPT, sampling=ENDLESS))
        await controller.begun("running")
        for sequence, name in enumerate(["a", "b", "c"]):
            controller.send("sim", generate(name, PROMPT, sampling=BRIEF, key=5.0, sequence=sequence))
        controller.send(
            "sim", RekeyRequest(rid=rid("c"), key=-1.0), RekeyRequest(rid=rid("running"), key=9.0)
        )
        await controller.load(running=1, waiting=3)
        controller.send("sim", RekeyRequest(rid=rid("a"), key=7.0), RekeyRequest(rid=rid("unknown"), key=0.0))
        assert controller.endings() == []
        controller.send("sim", AbortRequest(rid=rid("running")))
        for name in ("a", "b", "c"):
            await controller.ending(name)
        assert controller.endings() == ["running", "c", "b", "a"]


@pytest.mark.parametrize("slots", [1, 8])
async def test_an_abort_ends_a_running_and_a_waiting_request(
    controller: FakeController, worker: StartWorker, slots: int
) -> None:
    """An aborted request ends as cancelled at once, wherever it is, and frees its slot."""
    async with worker(engine_args=SLOW | {"max_running_requests": slots}):
        await controller.hello("sim")
        controller.send("sim", generate("running", PROMPT, sampling=ENDLESS))
        controller.send("sim", generate("second", PROMPT, sampling=ENDLESS))
        running = min(slots, 2)
        await controller.load(running=running, waiting=2 - running)
        for name in ("second", "running"):
            controller.send("sim", AbortRequest(rid=rid(name)))
            assert await controller.failure(name) == "cancelled"
        controller.send("sim", generate("next", PROMPT, sampling=BRIEF))
        assert isinstance(await controller.ending("next"), Finished)


async def test_an_abort_that_overtakes_its_request_is_remembered(
    controller: FakeController, worker: StartWorker
) -> None:
    """A request whose abort came first is not run, and only that one."""
    async with worker():
        await controller.hello("sim")
        controller.send("sim", AbortRequest(rid=rid("x")), generate("x", PROMPT), generate("x2", PROMPT))
        assert await controller.failure("x") == "cancelled"
        assert isinstance(await controller.ending("x2"), Finished)


@pytest.mark.parametrize(
    ("remaining", "why"),
    [
        (0.05, "no result within 0.050 s"),
        (0.0, "before it reached the runtime"),
        (-1.0, "before it reached the runtime"),
    ],
)
async def test_a_request_ends_when_its_time_is_over(
    controller: FakeController, worker: StartWorker, remaining: float, why: str
) -> None:
    """The remaining seconds bound a request's life; one that arrives too late isn't run."""
    async with worker(engine_args=SLOW):
        await controller.hello("sim")
        begun = time.monotonic()
        controller.send("sim", generate("t", PROMPT, sampling=ENDLESS, remaining_seconds=remaining))
        ending = await controller.ending("t")
        assert isinstance(ending, Failed)
        assert ending.code == "timeout"
        assert why in ending.message
        assert time.monotonic() - begun >= remaining
        assert remaining > 0 or controller.of("t") == [ending]


async def test_a_request_that_does_not_fit_is_refused(
    controller: FakeController, worker: StartWorker
) -> None:
    """What the runtime can't serve is the client's error, not the runtime's."""
    async with worker(engine_args={"context_length": 70}):
        await controller.hello("sim")
        controller.send("sim", generate("long", PROMPT), generate("empty", []))
        for name in ("long", "empty"):
            assert await controller.failure(name) == "invalid_request"


async def test_heartbeats_tell_the_load(controller: FakeController, worker: StartWorker) -> None:
    """Heartbeats follow the welcome and show running and waiting requests and progress."""
    async with worker(engine_args=SLOW | {"max_running_requests": 2}):
        await controller.hello("sim")
        for i in range(5):
            controller.send("sim", generate(f"r{i}", PROMPT, sampling=ENDLESS))
        await controller.load(running=2, waiting=3)
        before = controller.heartbeats[-1]
        await controller.until(lambda: controller.heartbeats[-1].scheduler_steps > before.scheduler_steps + 2)
        after = controller.heartbeats[-1]
        assert (after.running, after.waiting) == (2, 3)
        assert after.used_tokens > 128


async def test_slowdown_stretches_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a slowdown of 4 the passes of an output take four times their nominal time."""
    rates = {
        "prefill_tokens_per_second": 10 * len(PROMPT),
        "decode_tokens_per_second": 100,
        "output_tokens": 8,
    }
    runtime = SimulatedRuntime(simulated_spec(slowdown=4.0, engine_args=rates), tmp_path)
    taken: list[float] = []
    go_on = asyncio.sleep

    async def sleep(seconds: float) -> None:
        taken.append(seconds)
        await go_on(0)

    monkeypatch.setattr("engine.worker.simulated_runtime.asyncio.sleep", sleep)
    await runtime.open()
    outputs = [output async for output in runtime.generate(generate("s", PROMPT))]
    runtime.shutdown()
    assert outputs[-1].finish_reason is not None
    assert taken == pytest.approx([4 * 0.1] + 7 * [4 * 0.01])  # the first token is the prefill's


def test_unknown_settings_are_refused(tmp_path: Path) -> None:
    """A typo in an argument is an error, not a silent default."""
    with pytest.raises(StartError, match="prefil_tokens"):
        SimulatedRuntime(dataclasses.replace(simulated_spec(), engine_args={"prefil_tokens": 1}), tmp_path)


@pytest.mark.parametrize("recalibrate", [False, True])
async def test_it_is_not_calibrated(
    tmp_path: Path, recalibrate: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its speed is given: nothing is run on it, kept or warned of."""
    folder = tmp_path / "calibrations"
    spec = simulated_spec(calibration_folder=str(folder), recalibrate=recalibrate)
    runtime = SimulatedRuntime(spec, tmp_path)
    info = await runtime.open()
    try:
        assert await calibrated(runtime, spec, info) is None
        assert await configure(runtime, spec, None) == 0
        assert (await runtime.load()).scheduler_steps == 0
    finally:
        runtime.shutdown()
    assert not folder.exists()
    assert caplog.records == []
