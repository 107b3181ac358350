"""Prewarming: idle runtimes compute hot prefixes before the calls come that begin with them."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sched.cache.prefix import BLOCK_TOKENS
from sched.decisions import Abort, Decision, DropPrefix, KeepPrefix, Prewarm
from sched.events import PrewarmEnded
from sched.limits import PrewarmLimits
from sched.request import Call, Workflow
from sched.runtime import RuntimeState

PREWARM_ATTEMPT = 0
"""The attempt that tells a prewarming from a call: theirs begin at 1."""
_MOST_PREFIXES = 256
_MOST_DATABASES = 128
_PER_DATABASE = 8


@dataclass(frozen=True, slots=True)
class _Prefix:
    number: int
    stage: str
    blocks: tuple[int, ...]

    @property
    def tokens(self) -> int:
        return len(self.blocks) * BLOCK_TOKENS


class Prewarmer:
    """Learns which popular prefix (``sched/cache/popularity.py``) a stage of a database's workflows begins
    with, and has those of the stages still to come computed where they are missing: on the idle runtime that
    is quickest, until so many runtimes hold it as the limits say.

    A call that is sent to the runtime stops it; one that begins with the prefix may wait for it instead
    (``Placement.share_tokens``).  Whoever carries decisions out keeps the prompts that it names
    (``KeepPrefix``, ``DropPrefix``), at most 256.  All that is kept here is bounded, and forgotten least
    recently used first.  Cost: per arrival O(prefixes of the database · runtimes), nothing while off.
    """

    def __init__(
        self,
        limits: PrewarmLimits,
        runtimes: Mapping[str, RuntimeState],
        out: Callable[[Decision], None],
    ) -> None:
        self._limits = limits
        self._runtimes = runtimes
        self._out = out
        self._numbers = itertools.count(1)
        self._prefixes: OrderedDict[int, _Prefix] = OrderedDict()
        self._of: OrderedDict[tuple[str, str | None], OrderedDict[int, _Prefix]] = OrderedDict()
        self._runs: dict[str, int] = {}
        self._free_at: dict[str, float] = {}

    def learn(self, call: Call) -> None:
        """Note what a call that just arrived begins with."""
        count = min(call.popular_tokens, self._limits.max_tokens) // BLOCK_TOKENS
        if not self._limits.share or count * BLOCK_TOKENS < self._limits.least_tokens:
            return
        last = call.blocks[count - 1]
        prefix = self._prefixes.get(last)
        if prefix is None:
            prefix = _Prefix(next(self._numbers), call.stage, call.blocks[:count])
            self._prefixes[last] = prefix
            self._out(KeepPrefix(prefix.number, call.spec.call_id, prefix.tokens))
            if len(self._prefixes) > _MOST_PREFIXES:
                self._out(DropPrefix(self._prefixes.popitem(last=False)[1].number))
        self._prefixes.move_to_end(last)
        spec = call.workflow.spec
        known = self._of.setdefault((spec.kind, spec.database), OrderedDict())
        self._of.move_to_end((spec.kind, spec.database))
        if len(self._of) > _MOST_DATABASES:
            self._of.popitem(last=False)
        for older in [p for p in known.values() if p is not prefix and p.blocks[-1] in prefix.blocks]:
            del known[older.blocks[-1]]  # a longer one has become popular
        known[last] = prefix
        known.move_to_end(last)
        if len(known) > _PER_DATABASE:
            known.popitem(last=False)

    def expect(self, workflow: Workflow, now: float) -> None:
        """Prewarm at most one prefix of a stage that a workflow has not come to."""
        if not self._limits.share:
            return
        spec = workflow.spec
        for last, prefix in self._of.get((spec.kind, spec.database), {}).items():
            if last in self._prefixes and not workflow.visits[prefix.stage] and self._start(prefix, now):
                return

    def _start(self, prefix: _Prefix, now: float) -> bool:
        missing = [
            r for r in self._runtimes.values() if self._missing(r, prefix) >= self._limits.least_tokens
        ]
        if len(self._runtimes) - len(missing) >= min(self._limits.replicas, len(self._runtimes)):
            return False
        idle = [r for r in missing if self._is_idle(r, now)]
        if not idle:
            return False
        runtime = min(idle, key=lambda r: self._seconds(r, prefix))
        seconds = self._seconds(runtime, prefix)
        run = self._runs[runtime.name] = next(self._numbers)
        self._free_at[runtime.name] = now + seconds / self._limits.share
        runtime.prewarm(run, prefix.blocks, now)
        self._out(Prewarm(run, prefix.number, runtime.name, prefix.tokens))
        return True

    def _missing(self, runtime: RuntimeState, prefix: _Prefix) -> int:
        return prefix.tokens - runtime.cache.expected_tokens(prefix.blocks, prefix.tokens + 1)

    def _is_idle(self, runtime: RuntimeState, now: float) -> bool:
        return (
            not runtime.load.waiting
            and runtime.load.running <= self._limits.beside
            and runtime.name not in self._runs
            and self._free_at.get(runtime.name, now) <= now
        )

    def _seconds(self, runtime: RuntimeState, prefix: _Prefix) -> float:
        load = runtime.load
        return runtime.latency.prefill_seconds(
            self._missing(runtime, prefix), load.running, load.running_context
        )

    def give_way(self, runtime: RuntimeState, now: float) -> None:
        """Stop the prewarming of a runtime to which a call is being sent."""
        run = self._runs.pop(runtime.name, None)
        if run is not None:
            runtime.prewarmed(run, now, done=False)
            self._out(Abort(run, PREWARM_ATTEMPT, runtime.name))

    def ended(self, event: PrewarmEnded, now: float) -> None:
        """Note the end of a prewarming that was not stopped."""
        name = next((name for name, run in self._runs.items() if run == event.number), None)
        if name is not None:
            del self._runs[name]
            self._runtimes[name].prewarmed(event.number, now, done=event.done)

    def lost(self, name: str) -> None:
        """Forget a runtime."""
        self._runs.pop(name, None)
        self._free_at.pop(name, None)
