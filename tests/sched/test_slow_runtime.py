"""A runtime that becomes slow and fast again, under calls with short or long outputs: who gets calls when."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable

import pytest

from launch.shipped import ordering_registry, placement_registry
from sched import events as ev
from sched.decisions import Dispatch
from sched.dispatcher import Dispatcher
from tests.factories import call_spec, workflow_spec

CALLERS = 6
LATEST = 60
PREFILL, STEP = 1 / 4000, 1 / 80
PROMPT_TOKENS = 20


class ClosedLoop:
    """Callers who ask again at once, on two runtimes; ``slower`` says how slow one is now.

    Every output has ``tokens`` tokens.  Time is the test's.
    """

    def __init__(self, tokens: int) -> None:
        self.now = 0.0
        self.slower = {"a": 1.0, "b": 1.0}
        self.latest: deque[str] = deque(maxlen=LATEST)
        self._tokens = tokens
        self._numbers = itertools.count(1)
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._dispatcher = Dispatcher(
            placement_registry().load("sluice"), ordering_registry().load("adaptive")
        )
        for name in self.slower:
            self._feed(ev.RuntimeUp(name, 65536, 8))
        for _ in range(CALLERS):
            self._ask()
        self._tick()

    def seconds_until(self, condition: Callable[[], bool], limit: float) -> float | None:
        """Let time pass until ``condition`` holds and return how much; ``None`` after ``limit``."""
        began = self.now
        while not condition():
            if self.now - began > limit:
                return None
            self.now, _, act = heapq.heappop(self._agenda)
            act()
        return self.now - began

    def share(self, name: str) -> float:
        return self.latest.count(name) / LATEST

    def _at(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self.now + seconds, next(self._order), act))

    def _tick(self) -> None:
        self._feed(ev.Tick())
        self._at(0.5, self._tick)

    def _ask(self) -> None:
        number = next(self._numbers)
        spec = call_spec(
            number, workflow_id=f"w{number}", prompt_tokens=PROMPT_TOKENS, max_new_tokens=self._tokens
        )
        self._feed(ev.WorkflowArrived(workflow_spec(f"w{number}")))
        self._feed(ev.CallArrived(spec))

    def _feed(self, event: ev.Event) -> None:
        for decision in self._dispatcher.handle(event, self.now):
            if isinstance(decision, Dispatch):
                self._run(decision.call_id, decision.attempt, decision.runtime)

    def _run(self, call_id: int, attempt: int, name: str) -> None:
        first = PROMPT_TOKENS * PREFILL * self.slower[name]
        total = first + (self._tokens - 1) * STEP * self.slower[name]

        def ends() -> None:
            self.latest.append(name)
            self._feed(
                ev.CallFinished(
                    call_id=call_id,
                    attempt=attempt,
                    cached_tokens=0,
                    output_tokens=self._tokens,
                    ttft_seconds=first,
                    total_seconds=total,
                )
            )
            self._feed(ev.WorkflowEnded(f"w{call_id}"))
            self._ask()

        self._at(first, lambda: self._feed(ev.FirstTokenReported(call_id, attempt, 0)))
        self._at(total, ends)


@pytest.mark.parametrize("tokens", [3, 8, 64])
def test_a_slow_runtime_is_avoided_and_trusted_again(tokens: int) -> None:
    """Five times as slow, it gets less than its throughput's share, a sixth; fast again, about half."""
    loop = ClosedLoop(tokens)
    loop.seconds_until(lambda: False, 20.0)
    assert loop.share("a") == pytest.approx(0.5, abs=0.15)
    loop.slower["a"] = 5.0
    loop.latest.clear()
    avoided = loop.seconds_until(lambda: len(loop.latest) == LATEST and loop.share("a") <= 1 / 6, 60.0)
    loop.seconds_until(lambda: False, 60.0)
    assert loop.share("a") <= 1 / 6, "and it stays so"
    loop.slower["a"] = 1.0
    trusted = loop.seconds_until(lambda: loop.share("a") >= 0.35, 120.0)
    assert avoided is not None
    assert trusted is not None
