"""Commands to all workers: every expected runtime has an answer, or a reason why not."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from engine.controller import worker_commands
from engine.controller.worker_commands import WorkerCommands
from engine.controller.worker_table import WorkerTable
from engine.wire.link import RouterLink
from engine.wire.messages import Command, CommandReply, WireMessage
from sched.liveness import LifeLimits
from tests.engine.worker_process import hello
from tests.waiting import GUARD_SECONDS, reached


class FakeLink:
    """Keeps what is sent; ``unreachable`` can't be sent to."""

    def __init__(self) -> None:
        self.sent: dict[bytes, Command] = {}
        self.unreachable: set[bytes] = set()

    def send(self, identity: bytes, message: WireMessage) -> bool:
        assert isinstance(message, Command)
        self.sent[identity] = message
        return identity not in self.unreachable


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


@pytest.fixture
def asked(link: FakeLink) -> WorkerCommands:
    """Commands to three runtimes, of which ``a`` and ``b`` are there."""
    workers = WorkerTable(("a", "b", "c"), allow_simulated=False, limits=LifeLimits())
    for name in ("a", "b"):
        workers.welcome(name.encode(), hello(name))
    return WorkerCommands(cast(RouterLink, link), workers)


async def test_each_runtime_has_a_reply_in_order(asked: WorkerCommands, link: FakeLink) -> None:
    """Replies are told apart by their ids, in whatever order they come; the missing one is said to be."""
    task = asyncio.create_task(asked.ask("loads", 600.0))
    await reached(lambda: len(link.sent) == 2)
    for name in (b"b", b"a"):
        reply = CommandReply(rid=link.sent[name].rid, runtime=name.decode(), result=name.decode())
        asked.reply(name, reply)
    replies = await task
    assert {name: reply.result for name, reply in replies.items()} == {"a": "a", "b": "b", "c": None}
    assert list(replies) == ["a", "b", "c"]
    assert replies["c"].error == "the runtime is not up"
    assert {(command.action, command.seconds) for command in link.sent.values()} == {("loads", 600.0)}


async def test_silence_ends(asked: WorkerCommands, link: FakeLink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that doesn't answer or can't be reached costs no more than the time limit."""
    monkeypatch.setattr(worker_commands, "GRACE_SECONDS", 0.01)
    link.unreachable.add(b"b")
    async with asyncio.timeout(GUARD_SECONDS):
        replies = await asked.ask("loads", 0.01)
    assert "no answer" in replies["a"].error
    assert "reached" in replies["b"].error
    asked.reply(b"a", CommandReply(rid=link.sent[b"a"].rid, runtime="a"))  # too late: dropped
