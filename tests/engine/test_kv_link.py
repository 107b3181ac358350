"""The subscription to a runtime's cache events: complete and in order, whatever the wire loses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import kv_link
from engine.kv_link import EventLink
from tests.engine.fake_publisher import FakePublisher

WAIT_SECONDS = 10.0


class Recorder:
    """Notes what it is told; ``LOST`` stands for missing batches."""

    LOST = "LOST"

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.flushes: list[float] = []
        self.failing_flushes = 0

    def batch(self, payload: bytes) -> None:
        self.heard.append(payload.decode())

    def lost(self) -> None:
        self.heard.append(self.LOST)

    def flush(self) -> bool:
        self.flushes.append(time.monotonic())
        self.failing_flushes -= 1
        return self.failing_flushes < 0


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it didn't come to that"
        time.sleep(0.005)


@pytest.fixture
def endpoints(tmp_path: Path) -> tuple[str, str]:
    return f"ipc://{tmp_path}/e", f"ipc://{tmp_path}/r"


@contextmanager
def listening(endpoints: tuple[str, str]) -> Iterator[tuple[EventLink, Recorder]]:
    """Subscribe; end the thread afterwards."""
    recorder = Recorder()
    link = EventLink(*endpoints, recorder)
    try:
        yield link, recorder
    finally:
        link.close()
        link.close()
        assert not link._thread.is_alive()


def subscribed(publisher: FakePublisher, recorder: Recorder) -> None:
    """Publish until the subscriber hears it: subscriptions take a moment."""
    eventually(lambda: bool(publisher.asked))
    count = len(recorder.heard)

    def heard() -> bool:
        publisher.publish("hello")
        time.sleep(0.02)
        return len(recorder.heard) > count

    eventually(heard)
    publisher.publish("begin")
    eventually(lambda: recorder.heard[-1:] == ["begin"])
    recorder.heard.clear()
    publisher.asked.clear()


def test_batches_from_before_the_subscription_are_repeated(endpoints: tuple[str, str]) -> None:
    """A late subscriber begins with the first batch, and hears each once."""
    with FakePublisher(*endpoints) as publisher:
        for name in "abc":
            publisher.publish(name)
        with listening(endpoints) as (_, recorder):
            eventually(lambda: recorder.heard == ["a", "b", "c"])
            subscribed(publisher, recorder)
            publisher.publish("d")
            eventually(lambda: recorder.heard == ["d"])
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
        eventually(lambda: recorder.heard == ["a", "b", "c", "d", "e"])
        assert len(publisher.asked) == 1
        publisher.send(0, "repeated")
        publisher.publish("f")
        eventually(lambda: recorder.heard[-1] == "f")
        assert recorder.heard == ["a", "b", "c", "d", "e", "f"]


def test_a_gap_that_is_too_old_is_told(endpoints: tuple[str, str]) -> None:
    """What the publisher no longer has is lost; what comes after it is heard."""
    with FakePublisher(*endpoints, kept=2) as publisher, listening(endpoints) as (_, recorder):
        subscribed(publisher, recorder)
        for name in "abc":
            publisher.publish(name, seen=False)
        publisher.publish("d")
        publisher.publish("e")
        eventually(lambda: recorder.heard[-1:] == ["e"])
        assert recorder.heard in ([Recorder.LOST, "c", "d", "e"], [Recorder.LOST, "d", "e"])


def test_a_publisher_that_does_not_repeat_is_not_waited_for(
    endpoints: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer the gap is a loss after a time limit, and life goes on."""
    monkeypatch.setattr(kv_link, "REPLAY_SECONDS", 0.3)
    with FakePublisher(*endpoints) as publisher, listening(endpoints) as (_, recorder):
        subscribed(publisher, recorder)
        publisher.answers = False
        publisher.publish("a", seen=False)
        publisher.publish("b")
        eventually(lambda: recorder.heard == [Recorder.LOST, "b"])


def test_frames_that_are_no_batches_are_dropped(endpoints: tuple[str, str]) -> None:
    """Whatever comes on the wire, the next batch is heard."""
    with FakePublisher(*endpoints) as publisher, listening(endpoints) as (_, recorder):
        subscribed(publisher, recorder)
        publisher.send_raw(b"kv", b"short", b"x")
        publisher.send_raw(b"kv")
        publisher.publish("a")
        eventually(lambda: recorder.heard == ["a"])


def test_reports_are_bundled(endpoints: tuple[str, str]) -> None:
    """A burst of batches leads to a flush per 50 ms, an idle link to none."""
    with FakePublisher(*endpoints) as publisher, listening(endpoints) as (_, recorder):
        subscribed(publisher, recorder)
        time.sleep(0.2)
        recorder.flushes.clear()
        for _ in range(30):
            publisher.publish("x")
            time.sleep(0.01)
        eventually(lambda: len(recorder.heard) == 30)
        time.sleep(0.2)
        gaps = [b - a for a, b in zip(recorder.flushes, recorder.flushes[1:], strict=False)]
        assert min(gaps) >= 0.9 * kv_link.FLUSH_SECONDS
        assert recorder.heard == ["x"] * 30


def test_a_failed_report_is_tried_again_and_one_can_be_asked_for(endpoints: tuple[str, str]) -> None:
    """The link flushes until that is done, and when it is woken."""
    with FakePublisher(*endpoints) as publisher, listening(endpoints) as (link, recorder):
        subscribed(publisher, recorder)
        time.sleep(0.2)
        recorder.flushes.clear()
        recorder.failing_flushes = 3
        link.wake()
        eventually(lambda: len(recorder.flushes) == 4)
        time.sleep(0.2)
        assert len(recorder.flushes) == 4
