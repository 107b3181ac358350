"""The soak finds what it looks for, and a short one is passed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.controller.calls import RequestIds
from engine.wire import messages as msg
from engine.wire.link import RouterLink
from launch.bench.endurance.faulty_runtimes import FaultyRuntime, Ledger, Misbehaviour, echo
from launch.bench.endurance.soak_run import SoakPlan, SoakReport, soak
from launch.bench.endurance.steadiness import SoakSample, sample, settled, slope
from tests.waiting import GUARD_SECONDS, reached

EPOCH = "epoch0"
SMALL = SoakPlan(calls=3_000, rounds=5, clients=32, runtimes=4)


def rid(call_id: int, attempt: int) -> str:
    return RequestIds(EPOCH).make(call_id, attempt)


def samples(*blocks: int) -> list[SoakSample]:
    """Return samples 1,000 calls apart."""
    same = {"resident_bytes": 0, "tasks": 1, "files": 1, "threads": 1}
    return [SoakSample(calls=1_000 * i, blocks=b, **same) for i, b in enumerate(blocks)]


def test_the_slope_is_that_of_what_has_settled() -> None:
    """The first two fifths, in which tables fill, don't count."""
    assert slope(samples(0, 900, 1_000, 1_000, 1_000), "blocks") == 0
    assert slope(samples(0, 0, 10, 13, 16), "blocks") == pytest.approx(3)
    assert len(settled(samples(*range(10)))) == 6
    with pytest.raises(ValueError, match="two samples"):
        slope(samples(1), "blocks")


async def test_a_sample_sees_a_task_and_a_file(tmp_path: Path) -> None:
    """What is left behind is counted."""
    before = sample(0)
    blocker = asyncio.create_task(asyncio.sleep(GUARD_SECONDS))
    with (tmp_path / "left").open("w"):
        after = sample(0)
    blocker.cancel()
    assert (after.tasks - before.tasks, after.files - before.files) == (1, 1)
    assert after.resident_bytes > 0


def test_a_report_is_sound_only_without_a_fault() -> None:
    """One lost call, one that ran twice, one wrong answer: each spoils it."""
    sound = SoakReport(
        calls=9,
        lost=0,
        run_twice=0,
        sent_twice=0,
        outcomes={"answered": 9},
        workflows={},
        faults={},
        samples=[],
        seconds=1.0,
    )
    assert sound.is_sound
    for spoilt in ({"lost": 1}, {"run_twice": 1}, {"sent_twice": 1}, {"outcomes": {"wrong answer": 1}}):
        assert not replace(sound, **spoilt).is_sound


class Listener:
    """Keeps what comes."""

    def __init__(self, link: RouterLink) -> None:
        self.link = link
        self.messages: list[msg.WireMessage] = []
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while True:
            self.messages.append((await self.link.recv())[1])

    def heard(self, kind: type[msg.WireMessage]) -> list[msg.WireMessage]:
        return [message for message in self.messages if isinstance(message, kind)]

    def send(self, message: msg.WireMessage) -> None:
        assert self.link.send(b"r0", message)


@asynccontextmanager
async def runtime(
    tmp_path: Path, misbehaviour: Misbehaviour
) -> AsyncIterator[tuple[FaultyRuntime, Listener]]:
    """Yield a welcomed runtime and the controller's end of its link."""
    endpoint = f"ipc://{tmp_path / 'link'}"
    listener = Listener(RouterLink(endpoint))
    alone = FaultyRuntime("r0", endpoint, Ledger(EPOCH), misbehaviour, random.Random(0), iter(range(1, 9)))
    alone.start()
    try:
        await reached(lambda: bool(listener.heard(msg.Hello)))
        listener.send(msg.Welcome(epoch=EPOCH, fresh=True))
        await reached(lambda: alone.is_well)
        yield alone, listener
    finally:
        alone.die()
        listener.task.cancel()
        listener.link.close()


def generate(call_id: int, attempt: int = 1) -> msg.Generate:
    ids = call_id.to_bytes(4, "little") * 8
    return msg.Generate(
        rid=rid(call_id, attempt), token_ids=ids, sampling={}, key=0.0, sequence=1, remaining_seconds=60.0
    )


async def test_a_runtime_answers_late_and_twice(tmp_path: Path) -> None:
    """What it said while it wasn't heard comes when it speaks again."""
    async with runtime(tmp_path, Misbehaviour(fails=0, twice=1, slow=0)) as (silent, listener):
        silent.fall_silent()
        listener.send(generate(7))
        await reached(lambda: silent.ledger.done["answered twice"] == 1)
        assert not silent.is_well
        assert not listener.heard(msg.Finished)
        silent.speak()
        await reached(lambda: len(listener.heard(msg.Finished)) == 2)
        first, again = listener.heard(msg.Finished)
        assert first == again
        assert isinstance(first, msg.Finished)
        assert (first.rid, first.text) == (rid(7, 1), echo(generate(7).token_ids))
        assert silent.ledger.done["late"] == 2


async def test_a_second_attempt_beside_a_sound_first_is_noticed(tmp_path: Path) -> None:
    """But not where the first one's runtime was away meanwhile; the same attempt never comes twice."""
    slow = Misbehaviour(fails=0, twice=0, slow=1, slow_seconds=2 * GUARD_SECONDS)
    async with runtime(tmp_path, slow) as (first, listener):
        ledger = first.ledger
        listener.send(generate(1))
        await reached(lambda: ledger.done["attempts"] == 1)
        ledger.sent(rid(1, 2), first)
        assert (ledger.run_twice, ledger.sent_twice) == (1, 0)
        ledger.sent(rid(1, 2), first)
        assert ledger.sent_twice == 1
        ledger.sent(rid(2, 1), first)
        first.fall_silent()
        first.speak()
        before = ledger.run_twice
        ledger.sent(rid(2, 2), first)
        assert ledger.run_twice == before
        ledger.ended(rid(2, 2))
        ledger.sent(rid(2, 3), first)
        assert ledger.run_twice == before


async def test_a_short_soak_is_passed() -> None:
    """No call is lost, none run twice, each has its own answer, and nothing is left behind."""
    report = await soak(SMALL)
    assert report.is_sound, report
    assert report.calls >= SMALL.calls
    assert report.outcomes["answered"] > 0.8 * SMALL.calls
    assert report.faults["died"] + report.faults["fell silent"] >= 5
    assert report.faults["returned"] == report.faults["died"] + report.faults["fell silent"]
    for name in ("tasks", "files", "threads"):
        assert len({getattr(one, name) for one in report.samples}) == 1, name


@pytest.mark.slow
async def test_a_long_soak_is_passed_and_memory_is_flat() -> None:
    """200,000 calls on eight runtimes; every kind of fault occurs, and less than one of Python's memory
    blocks is left by 20 calls."""
    report = await soak(SoakPlan())
    assert report.is_sound, report
    assert report.calls >= 200_000
    kinds = {"died", "fell silent", "returned", "late", "answered twice", "failed", "aborted"}
    assert kinds <= {name for name, count in report.faults.items() if count}
    ends = {"answered", "cancelled", "disconnected", "deadline_missed"}
    assert ends <= report.outcomes.keys()
    assert report.workflows["cancelled"]
    assert slope(report.samples, "blocks") < 50
    assert slope(report.samples, "resident_bytes") < 50_000
    for name in ("tasks", "files", "threads"):
        assert len({getattr(one, name) for one in report.samples}) == 1, name
