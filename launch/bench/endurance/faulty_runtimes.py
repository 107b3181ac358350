"""Runtimes without a model that die, fall silent, come back, fail, and answer late or twice.

They live in the event loop of the controller and reach it over real ZMQ links, whose threads only hand
messages over.  What they are asked is noted in a :class:`Ledger`.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from engine.controller.calls import RequestIds
from engine.wire import messages as msg
from engine.wire.dealer_link import DealerLink
from engine.wire.token_ids import TOKEN_BYTES
from engine.wire.worker_ended import WorkerEnded
from launch.bench.cost.null_runtimes import null_hello

K = TypeVar("K")

OUTPUT_IDS = bytes(TOKEN_BYTES)
_REMEMBERED = 5_000
"""Attempts that are told from new ones."""
_CACHE_TOKENS = 32_000
"""Small, so that what is believed of caches is soon at its bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehaviour:
    """Chances, per call, that it fails, is answered twice, and takes up to ``slow_seconds``."""

    fails: float = 0.01
    twice: float = 0.02
    slow: float = 0.2
    slow_seconds: float = 0.02


class Ledger:
    """What the runtimes were asked: counts of all, and what runs now.

    An attempt is *sent twice* if a runtime is given the same one again.  A call is *run twice* if another
    attempt of it is sent while a runtime still has it that has been well ever since.  (One whose runtime died
    or fell silent must be run again, since nobody can know how far it came.)
    """

    def __init__(self, epoch: str) -> None:
        self.done = Counter[str]()
        self._rids = RequestIds(epoch)
        self._latest: OrderedDict[str, None] = OrderedDict()
        self._running: dict[int, tuple[str, FaultyRuntime, int]] = {}

    @property
    def sent_twice(self) -> int:
        """Attempts that were sent twice."""
        return self.done["sent twice"]

    @property
    def run_twice(self) -> int:
        """Calls that were run twice without need."""
        return self.done["run twice"]

    def sent(self, rid: str, runtime: FaultyRuntime) -> None:
        """Note an attempt that ``runtime`` was sent."""
        call_id, _ = self._rids.parse(rid) or (0, 0)
        self.done["attempts"] += 1
        self.done["sent twice"] += rid in self._latest
        self._latest[rid] = None
        if len(self._latest) > _REMEMBERED:
            self._latest.popitem(last=False)
        if call_id in self._running:
            _, other, absences = self._running[call_id]
            self.done["run twice"] += other.is_well and other.absences == absences
        self._running[call_id] = rid, runtime, runtime.absences

    def ended(self, rid: str) -> None:
        """Note an attempt that no runtime has any more."""
        call_id, _ = self._rids.parse(rid) or (0, 0)
        if call_id in self._running and self._running[call_id][0] == rid:
            del self._running[call_id]


class FaultyRuntime:
    """One runtime.  ``rng`` decides on its misbehaviour; ``pids`` numbers its lives.  ``absences``: how often
    it died or fell silent."""

    def __init__(
        self,
        name: str,
        endpoint: str,
        ledger: Ledger,
        misbehaviour: Misbehaviour,
        rng: random.Random,
        pids: Iterator[int],
    ) -> None:
        self.name = name
        self.pid = 0
        self.absences = 0
        self._endpoint = endpoint
        self.ledger = ledger
        self._odds = misbehaviour
        self._rng = rng
        self._pids = pids
        self._loop = asyncio.get_running_loop()
        self._link: DealerLink | None = None
        self._unheard: list[msg.WireMessage] | None = None
        self._welcomed = False
        self._running: dict[str, asyncio.TimerHandle] = {}
        self._lives = itertools.count(1)
        self._life = 0

    @property
    def is_well(self) -> bool:
        """Whether it lives and is heard."""
        return self._link is not None and self._unheard is None and self._welcomed

    @property
    def busy(self) -> bool:
        """Whether it has calls to answer."""
        return bool(self._running)

    def start(self) -> None:
        """Begin a new life."""
        self._life, self.pid, self._welcomed = next(self._lives), next(self._pids), False
        life = self._life

        def received(message: msg.WireMessage) -> None:  # in the link's thread
            self._loop.call_soon_threadsafe(self._receive, life, message)

        self._link = DealerLink(self._endpoint, self.name, received)
        self.beat()

    def die(self) -> None:
        """End at once; what runs is never answered."""
        self.absences += 1
        self._forget()
        self._unheard = None
        if self._link is not None:
            self._link.close(0.0)
            self._link = None

    def fall_silent(self) -> None:
        """Go on, and not be heard until :meth:`speak`."""
        self.absences += 1
        self._unheard = []

    def speak(self) -> None:
        """Be heard again, first of all what was said meanwhile: late answers."""
        unheard, self._unheard = self._unheard or [], None
        self.ledger.done["late"] += sum(isinstance(message, msg.Finished) for message in unheard)
        for message in unheard:
            self._send(message)

    def beat(self) -> None:
        """Say hello until welcomed, then send a heartbeat."""
        if not self._welcomed:
            self._send(null_hello(self.name, self.pid, _CACHE_TOKENS))
            return
        waiting, running = 0, len(self._running)
        self._send(
            msg.Heartbeat(
                runtime=self.name, running=running, waiting=waiting, used_tokens=0, scheduler_steps=0
            )
        )

    def _send(self, message: msg.WireMessage) -> None:
        if self._unheard is not None:
            if not isinstance(message, msg.Heartbeat | msg.Hello):
                self._unheard.append(message)
        elif self._link is not None:
            self._link.send(message)

    def _forget(self) -> None:
        for rid, timer in self._running.items():
            timer.cancel()
            self.ledger.ended(rid)
        self._running.clear()

    def _receive(self, life: int, message: msg.WireMessage) -> None:
        if life != self._life or self._link is None:
            return  # it was on its way to an earlier life
        match message:
            case msg.Generate():
                self._take(message)
            case msg.AbortRequest(rid=rid) if rid in self._running:
                self._running.pop(rid).cancel()
                self.ledger.ended(rid)
                self.ledger.done["aborted"] += 1
                self._send(msg.Failed(rid=rid, code="cancelled", message="aborted"))
            case msg.Welcome(fresh=fresh):
                if fresh:
                    self._forget()
                self._welcomed = True
            case msg.Drop():
                self._forget()
            case msg.Introduce():
                self._welcomed = False
                self.beat()
            case msg.Command(rid=rid):
                self._send(msg.CommandReply(rid=rid, runtime=self.name))
            case _:
                pass  # pings; an abort that came too late

    def _take(self, request: msg.Generate) -> None:
        self.ledger.sent(request.rid, self)
        slow = self._rng.random() < self._odds.slow
        seconds = self._rng.uniform(0.0, self._odds.slow_seconds) if slow else 0.0
        self._running[request.rid] = self._loop.call_later(seconds, self._answer, request)

    def _answer(self, request: msg.Generate) -> None:
        rid = request.rid
        del self._running[rid]
        self.ledger.ended(rid)
        if self._rng.random() < self._odds.fails:
            self.ledger.done["failed"] += 1
            self._send(msg.Failed(rid=rid, code="runtime_failure", message="it was told to fail"))
            return
        self._send(msg.FirstTokenReady(rid=rid, seconds=0.001, cached_tokens=0))
        if request.stream:
            self._send(msg.Chunk(rid=rid, text=echo(request.token_ids), token_ids=OUTPUT_IDS))
        answers = 2 if self._rng.random() < self._odds.twice else 1
        self.ledger.done["answered twice"] += answers - 1
        for _ in range(answers):
            self._send(_finished(request))


def echo(token_ids: bytes) -> str:
    """Return what a prompt is answered with, so that its client knows its answer."""
    return token_ids[-4 * TOKEN_BYTES :].hex()


def _finished(request: msg.Generate) -> msg.Finished:
    return msg.Finished(
        rid=request.rid,
        text=echo(request.token_ids),
        token_ids=OUTPUT_IDS,
        finish_reason={"type": "stop"},
        prompt_tokens=len(request.token_ids) // TOKEN_BYTES,
        cached_tokens=0,
        output_tokens=1,
        ttft_seconds=0.001,
        total_seconds=0.001,
    )


class Chaos:
    """Has runtimes die or fall silent, and return, as calls go by; at most ``most_away`` at a time.

    ``noticed`` is told of one that died, as the launcher tells the controller.
    """

    def __init__(
        self,
        runtimes: list[FaultyRuntime],
        rng: random.Random,
        noticed: Callable[[WorkerEnded], None],
        done: Counter[str],
        *,
        every_calls: int = 400,
        most_away: int = 3,
    ) -> None:
        self._runtimes = runtimes
        self._rng = rng
        self._noticed = noticed
        self._done = done
        self._every = every_calls
        self._most_away = most_away
        self._calls = 0
        self._away: list[tuple[int, FaultyRuntime, Callable[[], None]]] = []

    def call_began(self) -> None:
        """Count a call, and do what is due."""
        self._calls += 1
        while self._away and self._away[0][0] <= self._calls:
            self._return_one()
        if self._calls % self._every == 0 and len(self._away) < self._most_away:
            self._harm()

    def heal(self) -> None:
        """Have all return."""
        while self._away:
            self._return_one()

    def _return_one(self) -> None:
        _, _, comes_back = self._away.pop(0)
        self._done["returned"] += 1
        comes_back()

    def _harm(self) -> None:
        well = [runtime for runtime in self._runtimes if runtime.is_well]
        if not well:
            return
        runtime = self._rng.choice(well)
        back = self._calls + self._every + self._rng.randrange(self._every)
        if self._rng.random() < 0.5:
            self._done["died"] += 1
            ended = WorkerEnded(
                pid=runtime.pid, runtime=runtime.name, how="SIGKILL", failed_starts=0, restart_seconds=0.0
            )
            runtime.die()
            self._noticed(ended)
            self._away.append((back, runtime, runtime.start))
        else:
            self._done["fell silent"] += 1
            runtime.fall_silent()
            self._away.append((back, runtime, runtime.speak))
        self._away.sort(key=lambda away: away[0])
