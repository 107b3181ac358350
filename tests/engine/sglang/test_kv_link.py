"""The subscription to a runtime's cache events: complete and in order, whatever the wire loses."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq

from engine.sglang import kv_link
from engine.sglang.kv_link import EventLink
from sched.clock import Clock, ManualClock
from tests.engine.sglang.fake_publisher import FakePublisher
from tests.waiting import GUARD_SECONDS, block_until


class CountingPoller(zmq.Poller):
    """Counts the passes of the link's loop."""

    passes = 0

    def poll(self, timeout: int | None = None) -> list[tuple[Any, int]]:
        CountingPoller.passes += 1
        return super().poll(timeout)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A publisher may take as long as it wants to repeat batches."""
    monkeypatch.setattr(kv_link, "REPLAY_SECONDS", GUARD_SECONDS)


class Recorder:
    """Notes what it is told; ``LOST`` stands for missing batches."""

    LOST = "LOST"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.heard: list[str] = []
        self.flushes: list[float] = []
        self.flushed_in = 0
        self.failing_flushes = 0

    def batch(self, payload: bytes) -> None:
        self.heard.append(payload.decode())

    def lost(self) -> None:
        self.heard.append(self.LOST)

    def flush(self) -> bool:
        self.flushes.append(self._clock())
        self.flushed_in = CountingPoller.passes
        self.failing_flushes -= 1
        return self.failing_flushes < 0


@pytest.fixture
def endpoints(tmp_path: Path) -> tuple[str, str]:
    return f"ipc://{tmp_path}/e", f"ipc://{tmp_path}/r"


@contextmanager
def listening(endpoints: tuple[str, str]) -> Iterator[tuple[EventLink, Recorder]]:
    """Subscribe; end the thread afterwards.  Only pauses take time, and they are over at once."""
    clock = ManualClock()
    recorder = Recorder(clock)
    link = EventLink(*endpoints, recorder, clock, clock.advance)
    try:
        yield link, recorder
    finally:
        link.close()
        link.close()
        assert not link._thread.is_alive()


def subscribed(publisher: FakePublisher, recorder: Recorder) -> None:
    """Publish until the subscriber hears it: subscriptions take a moment."""
    block_until(lambda: bool(publisher.asked))
    count = len(recorder.heard)

    def heard() -> bool:
        publisher.publish("hello")
        time.sleep(0.02)
        return len(recorder.heard) > count

    block_until(heard)
    publisher.publish("begin")
    block_until(lambda: recorder.heard[-1:] == ["begin"])
    recorder.heard.clear()
    publisher.asked.clear()


def test_batches_from_before_the_subscription_are_repeated(endpoints: tuple[str, str]) -> None:
    """A late subscriber begins with the first batch, and hears each once."""
    with FakePublisher(*endpoints) as publisher:
        for name in "abc":
            publisher.publish(name)
        with listening(endpoints) as (_, recorder):
            block_until(lambda: recorder.heard == ["a", "b", "c"])
            subscribed(publisher, recorder)
            publisher.publish("d")
            block_until(lambda: recorder.heard == ["d"])
    assert publisher.asked == []


def test_a_gap_is_filled(endpoints: tuple[str, str]) -> None:
    """Batches that got lost are asked for, and the order stays."""
    with FakePublisher(*endpoints) as publisher, listening(endpoints) as (_, recorder):
        subscribed(publisher, recorder)
        publisher.publish("a")
        publisher.publish("b", seen=False)
        publisher.publish("c", seen=False)
        publisher.publish("d")
        publisher.publish("e")
        block_until(lambda: recorder.heard == ["a", "b", "c", "d", "e"])
        assert len(publisher.asked) == 1
        publisher.send(0, "repeated")
        publisher.publish("f")
        block_until(lambda: recorder.heard[-1] == "f")
        assert recorder.heard == ["a", "b", "c", "d", "e", "f"]


def test_a_gap_that_is_too_old_is_told(endpoints: tuple[str, str]) -> None:
    """What the publisher no longer has is lost; what comes after it is heard."""
    with FakePublisher(*endpoints, kept=2) as publisher, listening(endpoints) as (_, recorder):
        subscribed(publisher, recorder)
        for name in "abc":
            publisher.publish(name, seen=False)
        publisher.publish("d")
        publisher.publish("e")
        block_until(lambda: recorder.heard[-1:] == ["e"])
        assert recorder.heard in ([Recorder.LOST, "c", "d", "e"], [Recorder.LOST, "d", "e"])


def test_a_publisher_that_does_not_repeat_is_not_waited_for(
    endpoints: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer the gap is a loss after a time limit, and life goes on."""
    with FakePublisher(*endpoints) as publisher, listening(endpoints) as (_, recorder):
        subscribed(publisher, recorder)
        monkeypatch.setattr(kv_link, "REPLAY_SECONDS", 0.05)
        publisher.answers = False
        publisher.publish("a", seen=False)
        publisher.publish("b")
        block_until(lambda: recorder.heard == [Recorder.LOST, "b"])


def test_frames_that_are_no_batches_are_dropped(endpoints: tuple[str, str]) -> None:
    """Whatever comes on the wire, the next batch is heard."""
    with FakePublisher(*endpoints) as publisher, listening(endpoints) as (_, recorder):
        subscribed(publisher, recorder)
        publisher.send_raw(b"kv", b"short", b"x")
        publisher.send_raw(b"kv")
        publisher.publish("a")
        block_until(lambda: recorder.heard == ["a"])


def at_rest(recorder: Recorder) -> None:
    """Wait until the link has gone through its loop without a flush."""
    block_until(lambda: CountingPoller.passes > recorder.flushed_in + 3)


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that looks for work all the time."""
    monkeypatch.setattr(kv_link, "_IDLE_MILLISECONDS", 1)
    monkeypatch.setattr(zmq, "Poller", CountingPoller)


@pytest.mark.usefixtures("restless")
def test_reports_are_bundled(endpoints: tuple[str, str]) -> None:
    """A burst of batches leads to a flush per 50 ms, an idle link to none."""
    with FakePublisher(*endpoints) as publisher, listening(endpoints) as (_, recorder):
        subscribed(publisher, recorder)
        at_rest(recorder)
        recorder.flushes.clear()
        for number in range(1, 31):
            publisher.publish("x")
            if number % 10 == 0:
                block_until(lambda: len(recorder.heard) == number)  # noqa: B023 (waited for here)
        at_rest(recorder)
        gaps = [b - a for a, b in itertools.pairwise(recorder.flushes)]
        assert len(gaps) >= 2
        assert min(gaps) >= 0.999 * kv_link.FLUSH_SECONDS
        assert recorder.heard == ["x"] * 30


@pytest.mark.usefixtures("restless")
def test_a_failed_report_is_tried_again_and_one_can_be_asked_for(endpoints: tuple[str, str]) -> None:
    """The link flushes until that is done, and when it is woken."""
    with FakePublisher(*endpoints) as publisher, listening(endpoints) as (link, recorder):
        subscribed(publisher, recorder)
        at_rest(recorder)
        recorder.flushes.clear()
        recorder.failing_flushes = 3
        link.wake()
        block_until(lambda: len(recorder.flushes) == 4)
        at_rest(recorder)
        assert len(recorder.flushes) == 4
