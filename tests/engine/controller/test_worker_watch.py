"""Workers that come, are cut off and come back, as the controller's watch sees them, on a test's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from engine.controller.worker_table import WorkerTable
from engine.controller.worker_watch import WorkerWatch
from engine.wire.link import RouterLink
from engine.wire.messages import Drop, Heartbeat, Hello, Ping, Welcome, WireMessage
from sched import events as ev
from sched.clock import ManualClock
from sched.dispatcher import Dispatcher
from sched.liveness import LifeLimits
from tests.engine.worker_process import hello


class Wire:
    """A link: what was sent over it, and who can't be reached."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, WireMessage]] = []
        self.unreachable: set[bytes] = set()
        self.refused = 0
        self.news = 0

    def send(self, identity: bytes, message: WireMessage) -> bool:
        self.sent.append((identity, message))
        return identity not in self.unreachable

    def look(self) -> int:
        news, self.news = self.news, 0
        self.refused += news
        return news

    def of(self, kind: type[WireMessage]) -> list[WireMessage]:
        return [message for _, message in self.sent if isinstance(message, kind)]


class Watched:
    """A watch over the runtimes ``names``, which have said hello."""

    def __init__(self, names: Sequence[str]) -> None:
        self.clock, self.wire = ManualClock(), Wire()
        self.stopped: set[int] = set()
        self.events: list[ev.Event] = []
        self.said: list[str] = []
        self.table = WorkerTable(
            names,
            allow_simulated=True,
            limits=LifeLimits(),
            clock=self.clock,
            stopped=self.stopped.__contains__,
        )
        self.watch = WorkerWatch(
            cast(RouterLink, self.wire),
            self.table,
            cast(Dispatcher, None),
            self.events.append,
            "epoch",
            self.said.append,
        )
        for name in names:
            self.hears(replace(hello(name, simulated=True), pid=ord(name)))

    def pass_time(self, seconds: float) -> None:
        """The watch looks twice a second, as a controller does."""
        for _ in range(round(seconds * 2)):
            self.clock.advance(0.5)
            self.watch.beat()

    def hears(self, said: Hello | Heartbeat) -> None:
        self.watch.handlers[type(said)](said.runtime.encode(), said)

    def lost(self) -> list[tuple[str, ...]]:
        """Return the runtimes of each loss that the core was told of."""
        losses = [event for event in self.events if isinstance(event, ev.RuntimeLost)]
        self.events.clear()
        return [(loss.name, *loss.others) for loss in losses]


@pytest.fixture
def watched() -> Watched:
    watched = Watched(["a", "b"])
    watched.lost()
    return watched


def test_a_worker_that_cant_be_reached_is_given_up_at_once(watched: Watched) -> None:
    """Its calls run elsewhere before its heartbeats are missed; said hello, it serves again."""
    watched.watch.beat()
    assert (watched.lost(), len(watched.wire.of(Ping))) == ([], 2)
    watched.wire.unreachable.add(b"a")
    watched.watch.beat()
    assert watched.lost() == [("a",)]
    assert watched.said == ["runtime a was lost: its link is cut"]
    assert len(watched.wire.of(Drop)) == 1
    assert watched.table.missing == ["a"]
    watched.wire.unreachable.clear()
    watched.hears(replace(hello("a", simulated=True), pid=ord("a"), connection=1))
    assert watched.said[-1] == "runtime a serves again"
    assert watched.table.missing == []


def test_workers_lost_together_are_told_together(watched: Watched) -> None:
    """No call of one is placed on another of them."""
    watched.wire.unreachable |= {b"a", b"b"}
    watched.watch.beat()
    assert watched.lost() == [("a", "b")]


def test_what_a_broken_connection_carried_is_run_again(watched: Watched) -> None:
    """Though the worker was back before anybody missed it; the answer says which connection it is about."""
    watched.hears(replace(hello("a", simulated=True), pid=ord("a")))
    assert watched.lost() == [], "it only asked who it is"
    watched.hears(replace(hello("a", simulated=True), pid=ord("a"), connection=1))
    assert watched.lost() == [("a",)]
    assert watched.table.missing == []
    assert watched.wire.of(Welcome)[-1] == Welcome(epoch="epoch", fresh=True, connection=1)


def test_refused_connections_are_counted(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """And logged, those of half a second together."""
    watched.wire.news = 3
    watched.watch.beat()
    watched.watch.beat()
    assert watched.watch.refused_connections == 3
    assert caplog.text.count("connections were refused") == 1


def test_a_stopped_worker_is_given_up_sooner_than_a_starved_one(watched: Watched) -> None:
    """Three seconds without a heartbeat are enough for one that is certainly stopped; others have ten."""
    watched.stopped.add(ord("a"))
    watched.pass_time(3.0)
    assert watched.lost() == [], "it may have been stopped just now"
    watched.pass_time(0.5)
    assert watched.lost() == [("a",)]
    watched.pass_time(6.5)
    assert watched.lost() == []
    watched.pass_time(0.5)
    assert watched.lost() == [("b",)]
