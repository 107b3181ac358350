"""Forward passes: timed in the scheduler process, read by the worker, and measured at the start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.sglang.pass_ring import RECORDS, PassReader, PassWriter
from engine.sglang.pass_watch import PassWatch, described
from engine.wire.messages import Generate
from engine.wire.worker_spec import Grid, WorkerSpec
from engine.worker.runtime_interface import Output, RuntimeInfo
from engine.worker.self_calibration import calibrated
from sched.predict.speed import Pass, Speed

STEP = Pass(0, 0, 0.0, 0.0, 2, 300, 0.01)
SPEED = Speed(prefill=1e-4, decode=0.01, kv=1e-6, overhead=0.005, call=0.001)


def test_a_reader_gets_what_is_new(tmp_path: Path) -> None:
    """In order, once, and only the latest when it comes late."""
    writer, reader = PassWriter(tmp_path / "passes"), PassReader(tmp_path / "passes")
    assert reader.take() == []
    writer.note(STEP)
    writer.note(STEP._replace(calls=3))
    assert [p.calls for p in reader.take()] == [2, 3]
    assert reader.take() == []
    for i in range(RECORDS + 50):
        writer.note(STEP._replace(calls=i))
    assert [p.calls for p in reader.take(3)] == [RECORDS + 47, RECORDS + 48, RECORDS + 49]


def test_a_torn_record_is_passed_over(tmp_path: Path) -> None:
    """A record that is being written is not read."""
    path = tmp_path / "passes"
    writer, reader = PassWriter(path), PassReader(path)
    writer.note(STEP)
    writer.note(STEP)
    content = bytearray(path.read_bytes())
    content[2 * 72 + 64 : 2 * 72 + 72] = bytes(8)  # the number at the end of the second record
    path.write_bytes(bytes(content))
    assert len(reader.take()) == 1


def batch(*lengths: tuple[int, int], decoding: int = 0) -> Any:
    """Return an SGLang batch that prefills (uncached, cached) tokens, and ``decoding`` calls of 50."""
    request = SimpleNamespace(origin_input_ids=[0] * 49, output_ids=[0])
    return SimpleNamespace(
        forward_mode=SimpleNamespace(is_decode=lambda: not lengths),
        reqs=[request] * (len(lengths) + decoding),
        extend_lens=[u for u, _ in lengths] + [1] * decoding,
        prefix_lens=[p for _, p in lengths] + [49] * decoding,
        decoding_reqs=[request] * decoding if lengths else None,
    )


def test_batches_are_described() -> None:
    """Prefills by what attention reads, decodes by their context, mixed ones by both."""
    assert described(batch(decoding=2)) == Pass(0, 0, 0.0, 0.0, 2, 100, 0.0)
    assert described(batch((10, 90), (4, 0))) == Pass(2, 14, 10 * 95 + 8.0, 10_016.0, 0, 0, 0.0)
    assert described(batch((10, 90), decoding=3)) == Pass(1, 10, 950.0, 10_000.0, 3, 150, 0.0)


class Scheduler:
    """Launches passes at given times; ``idled`` says that it had nothing to do before one.  With ``overlap``
    the pass before is still ``running`` then."""

    def __init__(self, path: Path, *, overlap: bool) -> None:
        self.enable_overlap = overlap
        self.last_batch: object = None
        self.result_queue: list[object] = []
        self.time = 0.0
        self._watch = PassWatch(PassWriter(path), lambda: self.time)

    def run(self, at: float, ends: float, *, idled: bool = False, running: int = 1) -> None:
        self.last_batch, self.time = None if idled else object(), at
        self.result_queue = [] if idled else [None] * running
        self._watch.starts(self)
        self.time = ends
        self._watch.ended(self, batch(decoding=1), at)


@pytest.mark.parametrize(("overlap", "seconds"), [(False, [0.3, 0.2, 0.4]), (True, [0.5])])
def test_passes_last_until_the_next(tmp_path: Path, overlap: bool, seconds: list[float]) -> None:
    """From start to start; before idling to its own end.  With overlap, until a launch finds them ended."""
    scheduler = Scheduler(tmp_path / "passes", overlap=overlap)
    scheduler.run(1.0, 1.2, idled=True)
    scheduler.run(1.3, 1.4)
    scheduler.run(1.5, 1.9)
    scheduler.run(9.0, 9.1, idled=True)
    found = [p.seconds for p in PassReader(tmp_path / "passes").take()]
    assert found == pytest.approx(seconds)


def test_overlapping_passes_are_timed_one_by_one(tmp_path: Path) -> None:
    """Each from the end of the one before it, or from its launch where SGLang waited for that first."""
    scheduler = Scheduler(tmp_path / "passes", overlap=True)
    scheduler.run(1.0, 1.1, idled=True)
    scheduler.run(2.0, 2.1, running=0)  # two prefills: the second waits for the first
    scheduler.run(2.2, 2.3)
    scheduler.run(4.0, 4.1)
    scheduler.run(4.5, 4.6)
    found = [p.seconds for p in PassReader(tmp_path / "passes").take()]
    assert found == pytest.approx([1.0, 2.0, 0.5])


class FakeRuntime:
    """Answers at once, and says that its passes took what ``SPEED`` says."""

    simulated = False

    def __init__(self, tells: bool = True) -> None:
        self.tells = tells
        self.requests = 0
        self.flushed = False
        self.budgets: list[int] = []
        self._told: list[Pass] = []

    async def generate(self, request: Generate) -> AsyncIterator[Output]:
        self.requests += 1
        tokens, steps = len(request.token_ids) // 4, int(request.sampling["max_new_tokens"])
        passes = [Pass(1, tokens, tokens**2 / 2, float(tokens**2), 0, 0, 0.0)]
        passes += [Pass(0, 0, 0.0, 0.0, self.requests % 4 + 1, tokens, 0.0) for _ in range(steps - 1)]
        self._told += [p._replace(seconds=SPEED.pass_seconds(p)) for p in passes]
        yield Output(text="", token_ids=[0] * steps, prompt_tokens=tokens, cached_tokens=0)

    def passes(self, most: int) -> list[Pass]:
        told, self._told = self._told, []
        return told if self.tells else []

    async def set_prefill_budget(self, tokens: int) -> None:
        self.budgets.append(tokens)

    async def flush_cache(self) -> bool:
        self.flushed = True
        return True


INFO = RuntimeInfo(
    context_length=4096,
    max_total_tokens=65536,
    max_running_requests=16,
    engine_version="test",
    tokenizer_hash="",
    device="cpu",
    vocab_size=100,
)


def kept_in(folder: Path) -> list[Path]:
    """Return the calibrations in a folder."""
    return list(folder.glob("*.json"))


def spec(folder: Path | None, **changes: Any) -> WorkerSpec:
    values = {"name": "r", "endpoint": "", "model_path": "m", "device": "cpu", **changes}
    return WorkerSpec(calibration_folder=str(folder) if folder else None, **values)


async def test_a_runtime_is_measured_once(tmp_path: Path) -> None:
    """The first start measures and leaves an empty cache; the next one takes what was kept, unless told."""
    runtime: Any = FakeRuntime()
    found = await calibrated(runtime, spec(tmp_path), INFO)
    assert found is not None
    assert found.speed.decode == pytest.approx(SPEED.decode, rel=0.01)
    assert found.speed.prefill == pytest.approx(SPEED.prefill, rel=0.05)
    assert runtime.flushed
    again: Any = FakeRuntime()
    kept = await calibrated(again, spec(tmp_path), INFO)
    assert kept is not None
    assert (again.requests, kept.speed) == (0, found.speed)
    await calibrated(again, spec(tmp_path, recalibrate=True), INFO)
    assert again.requests == runtime.requests


async def test_a_grid_of_ones_own_is_measured(tmp_path: Path) -> None:
    """Its batches that fit decode, its riders come beside them, and the budget is taken back."""
    runtime: Any = FakeRuntime()
    grid = Grid(
        batches=(2, 16), contexts=(100,), riders=(32, 64), carriers=(2, 16), rounds=2, rides=2, shared=False
    )
    assert await calibrated(runtime, spec(tmp_path, grid=grid), INFO) is not None
    prefills = 2 * (5 + 2 * 3) + 1
    assert runtime.requests == prefills + 2 + 2 * 2, "16 calls and a rider are more than may run"
    assert runtime.budgets == [64, 0]
    assert await calibrated(runtime, spec(tmp_path), INFO) is not None
    assert len(kept_in(tmp_path)) == 2, "it doesn't stand for the usual one"


async def test_another_runtime_is_measured_anew(tmp_path: Path) -> None:
    """What was kept holds for one model, device and set of flags only."""
    await calibrated(FakeRuntime(), spec(tmp_path), INFO)  # type: ignore[arg-type]
    other: Any = FakeRuntime()
    await calibrated(other, spec(tmp_path, slowdown=2.0), INFO)
    assert other.requests > 0
    assert len(kept_in(tmp_path)) == 2


async def test_a_spoiled_file_is_measured_anew(tmp_path: Path) -> None:
    """A calibration that can't be read costs a measurement, not the start."""
    await calibrated(FakeRuntime(), spec(tmp_path), INFO)  # type: ignore[arg-type]
    [path] = kept_in(tmp_path)
    path.write_text("{}", encoding="utf-8")
    runtime: Any = FakeRuntime()
    assert await calibrated(runtime, spec(tmp_path), INFO) is not None
    assert runtime.requests > 0


async def test_without_passes_or_wish_nothing_is_measured(tmp_path: Path) -> None:
    """A stand-in that tells no passes is not calibrated, nor is one that isn't to be."""
    assert await calibrated(FakeRuntime(tells=False), spec(tmp_path), INFO) is None  # type: ignore[arg-type]
    unwanted: Any = FakeRuntime()
    assert await calibrated(unwanted, spec(None), INFO) is None
    assert unwanted.requests == 0
