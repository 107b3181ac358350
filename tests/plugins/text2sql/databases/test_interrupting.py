"""A statement on a server is ended without waiting for the server."""

from __future__ import annotations

import threading

import pytest

from plugins.text2sql.databases.relational.interrupting import Interrupter, expired, watched
from sched.clock import ManualClock
from tests.plugins.text2sql.databases.running_statements import GUARD
from tests.waiting import block_until


def test_the_server_is_asked_once_at_a_time_and_then_cut_off() -> None:
    """A server that doesn't answer holds neither the caller nor the statement."""
    clock = ManualClock()
    held, cancels, severed = threading.Event(), [], []

    def cancel() -> None:
        cancels.append(1)
        assert held.wait(GUARD)

    interrupter = Interrupter(cancel, lambda: severed.append(1), clock)
    assert not interrupter.used
    interrupter()
    interrupter()
    block_until(lambda: cancels == [1])
    assert interrupter.used
    assert not severed
    clock.advance(2.0)
    interrupter()
    assert (cancels, severed) == ([1], [1])
    held.set()


def test_it_asks_again_when_the_request_came_too_early() -> None:
    """The statement may not have begun at the first request."""
    asked: list[int] = []
    interrupter = Interrupter(lambda: asked.append(1), lambda: None, ManualClock())
    interrupter()
    block_until(lambda: asked == [1])

    def again() -> bool:
        interrupter()
        return len(asked) > 1

    block_until(again)


def test_errors_of_the_request_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may be gone, and the socket closed."""
    clock = ManualClock()
    tried: list[str] = []
    unhandled: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", unhandled.append)

    def failing(what: str) -> None:
        tried.append(what)
        raise OSError(what)

    interrupter = Interrupter(lambda: failing("cancel"), lambda: failing("sever"), clock)
    interrupter()
    block_until(lambda: not any(thread.name == "cancel" for thread in threading.enumerate()))
    clock.advance(5.0)
    interrupter()
    assert tried == ["cancel", "sever"]
    assert not unhandled


def test_a_watcher_interrupts_until_it_is_over() -> None:
    """And not after that."""
    calls: list[int] = []
    stop = threading.Event()
    with watched(stop.is_set, lambda: calls.append(1)):
        assert not calls
        stop.set()
        block_until(lambda: len(calls) > 1)
    assert not any(thread.name == "stop-watch" for thread in threading.enumerate())


def test_time_expires() -> None:
    """From the call on."""
    clock = ManualClock()
    late = expired(3.0, clock)
    assert not late()
    clock.advance(3.0)
    assert late()
