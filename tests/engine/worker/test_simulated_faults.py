"""What a simulated runtime does while a file is there, and what it writes down."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.sglang.variables import LEDGER
from engine.worker.runtime_interface import Output
from engine.worker.simulated_runtime import SimulatedRuntime
from tests.engine.worker_process import PROMPT, generate, simulated_spec
from tests.waiting import GUARD_SECONDS


async def last(runtime: SimulatedRuntime, name: str, **fields: Any) -> Output:
    """Return the end of a request."""
    *_, output = [output async for output in runtime.generate(generate(name, PROMPT, **fields))]
    return output


async def test_a_hanging_runtime_shows_no_sign_of_life(tmp_path: Path) -> None:
    """While a file names it, its requests stay where they are; one that is named elsewhere goes on."""
    file = tmp_path / "hang"
    file.write_text("other")
    runtime = SimulatedRuntime(simulated_spec(engine_args={"hang_file": str(file)}), tmp_path)
    await runtime.open()
    outputs = [output async for output in runtime.generate(generate("a", PROMPT))]
    assert outputs[-1].finish_reason is not None
    assert (await runtime.load()).still_seconds == 0.0
    file.write_text("sim")
    task = asyncio.ensure_future(anext(runtime.generate(generate("b", PROMPT))))
    await asyncio.sleep(0)
    async with asyncio.timeout(GUARD_SECONDS):
        while (await runtime.load()).still_seconds == 0.0:  # noqa: ASYNC110 (a clock)
            await asyncio.sleep(0.01)
    assert (await runtime.load()).running == 0
    file.unlink()
    await task
    assert (await runtime.load()).still_seconds == 0.0
    runtime.shutdown()


async def test_a_text_is_said_while_its_file_is_there(tmp_path: Path) -> None:
    """It ends by itself, or at the request's limit; without the file an output says that it is simulated."""
    file = tmp_path / "text"
    file.write_text("SELECT COUNT(*) FROM orders")
    runtime = SimulatedRuntime(simulated_spec(engine_args={"text_file": str(file)}), tmp_path)
    await runtime.open()
    said = await last(runtime, "a", sampling={"max_new_tokens": 128})
    assert (said.text, said.finish_reason) == ("SELECT COUNT(*) FROM orders", {"type": "stop"})
    cut = await last(runtime, "b", sampling={"max_new_tokens": 3})
    assert (cut.text, cut.finish_reason) == ("SELECT COUNT", {"type": "length", "length": 3})
    file.unlink()
    assert (await last(runtime, "c")).text.startswith("simulated ")
    runtime.shutdown()


async def test_everything_takes_five_times_as_long_while_a_file_names_the_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the next step on."""
    file = tmp_path / "slow"
    rates = {"prefill_tokens_per_second": 10 * len(PROMPT), "decode_tokens_per_second": 100}
    spec = simulated_spec(engine_args=rates | {"output_tokens": 3, "slow_file": str(file)})
    runtime = SimulatedRuntime(spec, tmp_path)
    taken: list[float] = []
    go_on = asyncio.sleep

    async def sleep(seconds: float) -> None:
        taken.append(seconds)
        await go_on(0)

    monkeypatch.setattr("engine.worker.simulated_runtime.asyncio.sleep", sleep)
    await runtime.open()
    file.write_text("other")
    await last(runtime, "a")
    assert taken == pytest.approx([0.1, 0.01, 0.01])
    file.write_text("sim")
    await last(runtime, "b")
    assert taken[3:] == pytest.approx([5 * 0.1 / len(PROMPT), 0.05, 0.05]), "all but one token was cached"
    runtime.shutdown()


async def test_what_comes_and_begins_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that was aborted while it waited has never begun."""
    ledger = tmp_path / "ledger"
    monkeypatch.setenv(LEDGER, str(ledger))
    runtime = SimulatedRuntime(simulated_spec(), tmp_path)
    first, second = (asyncio.ensure_future(last(runtime, name)) for name in ("a", "b"))
    await asyncio.sleep(0)
    runtime.abort(generate("b", PROMPT).rid)
    await second
    await runtime.open()
    await first
    runtime.shutdown()
    lines = [line.split(" ")[1:] for line in ledger.read_text().splitlines()]
    a, b = (generate(name, PROMPT).rid for name in ("a", "b"))
    assert lines == [["came", a], ["came", b], ["began", a]]
