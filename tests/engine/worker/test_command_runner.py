"""Commands to a worker: what it answers, when it is late, and when a runtime counts as healthy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from engine.wire import actions
from engine.wire.messages import RID_LENGTH, Command, CommandReply, Generate, WireMessage
from engine.worker import command_runner
from engine.worker.command_runner import CommandRunner
from engine.worker.runtime_interface import Output, Runtime, RuntimeLoad
from tests.waiting import GUARD_SECONDS


@dataclass
class FakeRuntime:
    """Generates when ``go`` is set; ``passes`` are the forward passes that it reports, one reading each."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    reason: dict[str, Any] = field(default_factory=lambda: {"type": "length", "length": 1})
    passes: Sequence[int] = (0,)
    running: int = 0
    flushed: bool | Exception = True
    requests: list[Generate] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    readings: int = 0

    async def generate(self, request: Generate) -> AsyncIterator[Output]:
        self.requests.append(request)
        await self.go.wait()
        yield Output(text="a", token_ids=(1,), prompt_tokens=1, cached_tokens=0, finish_reason=self.reason)

    def abort(self, rid: str) -> None:
        self.aborted.append(rid)

    async def load(self) -> RuntimeLoad:
        steps = self.passes[min(self.readings, len(self.passes) - 1)]
        self.readings += 1
        return RuntimeLoad(running=self.running, waiting=0, used_tokens=0, scheduler_steps=steps)

    async def flush_cache(self) -> bool:
        if isinstance(self.flushed, Exception):
            raise self.flushed
        return self.flushed

    async def loads(self) -> list[dict[str, Any]]:
        await self.go.wait()
        return [{"dp_rank": 0}]


async def reply(runtime: FakeRuntime, action: str, seconds: float = 600.0) -> CommandReply:
    """Return the worker's one answer to a command."""
    sent: asyncio.Queue[WireMessage] = asyncio.Queue()
    worker = CommandRunner("r", cast(Runtime, runtime), sent.put_nowait)
    worker.receive(Command(rid="7", action=action, seconds=seconds))
    async with asyncio.timeout(GUARD_SECONDS):
        answer = await sent.get()
    assert isinstance(answer, CommandReply)
    assert (answer.rid, answer.runtime) == ("7", "r")
    assert sent.empty()
    return answer


async def test_the_result_or_the_error_is_answered() -> None:
    """A failing command is answered, too, and so is one of another version."""
    runtime = FakeRuntime()
    assert (await reply(runtime, actions.FLUSH_CACHE)).result is True
    runtime.flushed = RuntimeError("the scheduler is gone")
    failed = await reply(runtime, actions.FLUSH_CACHE)
    assert (failed.result, failed.error) == (None, "the scheduler is gone")
    assert "nonsense" in (await reply(runtime, "nonsense")).error


async def test_a_late_command_is_answered_in_time_and_goes_on() -> None:
    """SGLang's answer is awaited though nobody wants it any more: it must not be taken for the next one."""
    runtime = FakeRuntime()
    late = await reply(runtime, actions.LOADS, seconds=0.01)
    assert late.error == "no answer within 0.01 s"
    runtime.go.set()
    assert (await reply(runtime, actions.LOADS)).result == [{"dp_rank": 0}]


async def test_health_generates_one_token_before_all_calls() -> None:
    """One token, with an id of the fixed length and a priority that no call can have."""
    runtime = FakeRuntime()
    runtime.go.set()
    answer = await reply(runtime, actions.HEALTH)
    assert answer.error == ""
    assert answer.result["generated"] is True
    (request,) = runtime.requests
    assert request.sampling["max_new_tokens"] == 1
    assert request.priority > 2**31 - 1
    assert len(request.rid) == RID_LENGTH
    assert not runtime.aborted


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_runner, "BUSY_SECONDS", 0.02)


@pytest.mark.usefixtures("impatient")
async def test_a_full_runtime_that_goes_on_is_healthy() -> None:
    """Forward passes for others are proof enough; the check's own request is taken back."""
    runtime = FakeRuntime(passes=(5, 5, 6), running=2)
    answer = await reply(runtime, actions.HEALTH)
    assert (answer.error, answer.result["generated"]) == ("", False)
    assert runtime.readings == 3
    await asyncio.sleep(0)
    assert runtime.aborted == [runtime.requests[0].rid]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("passes", "running"), [((5,), 2), ((5, 6, 7), 0)])
async def test_a_runtime_that_stands_still_is_not_healthy(passes: tuple[int, ...], running: int) -> None:
    """Neither without passes, nor when the passes are nobody else's: the time limit ends the check."""
    answer = await reply(FakeRuntime(passes=passes, running=running), actions.HEALTH, seconds=0.1)
    assert answer.result is None
    assert answer.error


async def test_a_token_that_was_aborted_is_no_health() -> None:
    """The runtime's reason is passed on."""
    runtime = FakeRuntime(reason={"type": "abort", "message": "out of memory"})
    runtime.go.set()
    assert "out of memory" in (await reply(runtime, actions.HEALTH)).error
