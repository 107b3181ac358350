"""A prefill budget beside decoding, set in SGLang's scheduler while it runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.sglang.mixed_chunks import set_batching, with_budget
from engine.wire.worker_spec import WorkerSpec
from engine.worker.self_calibration import configure
from sched.predict.calibration import Calibration
from sched.predict.speed import Pass, Speed

RIDGED = Speed(prefill=1e-4, decode=0.02, overhead=0.001)


def scheduler(*, chunk: int | None = 2048, mixed: bool = False, device: str = "cpu", running: int = 3) -> Any:
    """Return what the budget touches of SGLang's scheduler."""
    return SimpleNamespace(
        chunked_prefill_size=chunk,
        is_mixed_chunk=mixed,
        device=device,
        running_batch=SimpleNamespace(reqs=[None] * running),
    )


def chosen(of: Any) -> tuple[int, bool]:
    """Return the chunk and the mixing with which the next prefill batch is chosen."""
    return with_budget(lambda s, batch: (s.chunked_prefill_size, s.is_mixed_chunk), of, of.running_batch)  # type: ignore[no-any-return]


def test_the_chunk_is_running_and_budget() -> None:
    """SGLang counts the running decodes into its chunk; back at 0 everything is as it was started."""
    live = scheduler()
    assert chosen(live) == (2048, False)
    set_batching(live, 128)
    assert chosen(live) == (131, True)
    live.running_batch.reqs.append(None)
    assert chosen(live) == (132, True)
    set_batching(live, 64)
    assert chosen(live) == (68, True)
    set_batching(live, 0)
    assert chosen(live) == (2048, False)


@pytest.mark.parametrize(
    ("wrong", "reason"), [({"chunk": None}, "chunked prefill"), ({"device": "cuda"}, "enable-mixed-chunk")]
)
def test_a_budget_that_cannot_be_is_refused(wrong: dict[str, Any], reason: str) -> None:
    """With what is missing; a GPU's runtime that was started mixed takes it."""
    with pytest.raises(RuntimeError, match=reason):
        set_batching(scheduler(**wrong), 128)
    set_batching(scheduler(device="cuda", mixed=True), 128)


class Budgeted:
    """A runtime that remembers its budgets."""

    def __init__(self) -> None:
        self.budgets: list[int] = []

    async def set_prefill_budget(self, tokens: int) -> None:
        self.budgets.append(tokens)


@pytest.mark.parametrize(
    ("speed", "arguments", "asked", "budget"),
    [
        (RIDGED, {}, None, 228),
        (RIDGED, {}, 0, 0),
        (RIDGED, {}, 64, 64),
        (RIDGED, {"chunked_prefill_size": 512}, None, 0),
        (Speed(prefill=1e-3, decode=0.011, overhead=0.01), {}, None, 0),
        (None, {}, None, 0),
    ],
)
async def test_the_calibration_sets_the_budget(
    speed: Speed | None, arguments: dict[str, Any], asked: int | None, budget: int
) -> None:
    """1.2 times the ridge, unless the user says otherwise, there is no ridge, or nothing was measured."""
    sizes = {"max_total_tokens": 1, "max_running_requests": 1, "chunk_tokens": 1}
    mixed = [Pass(1, 64, 2048.0, 4096.0, 4, 400, 0.02)]
    found = Calibration(key={}, speed=speed, error=0.0, passes=mixed, **sizes) if speed else None
    spec = WorkerSpec(
        name="r", endpoint="", model_path="m", device="cpu", engine_args=arguments, prefill_budget=asked
    )
    runtime: Any = Budgeted()
    assert await configure(runtime, spec, found) == budget
    assert runtime.budgets == ([budget] if budget else [])
