"""A stand-in runtime for tests and demonstrations of the system around it.  No model, no SGLang.

It behaves like one in time: a queue in our order, a batch of limited size, prefill and decode at given
speeds, a prefix cache.  Its text says that it is simulated.  ``engine_args`` it understands (tokens,
tokens per second): ``prefill_tokens_per_second``, ``decode_tokens_per_second`` (of each request),
``max_running_requests``, ``context_length``, ``max_total_tokens``, and ``output_tokens``, after which an
output ends by itself.  While the file ``hold_file`` is there, outputs stay at their first token; while
``hang_file`` is, the scheduler shows no sign of life; while ``slow_file`` is, everything takes five times as
long; while ``text_file`` is, outputs are its text (``engine/worker/simulated_faults.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from engine.wire.messages import Generate, WireMessage
from engine.wire.ordering_proof import PROOF_QUEUE
from engine.wire.token_ids import pack_ids
from engine.wire.tokenizer_identity import tokenizer_hash
from engine.wire.worker_spec import WorkerSpec
from engine.worker.lease import LeaseReader
from engine.worker.run_ledger import asked_for
from engine.worker.runtime_interface import Output, RuntimeInfo, RuntimeLoad, StartError
from engine.worker.simulated_cache import SimulatedCache
from engine.worker.simulated_faults import SimulatedFaults
from engine.worker.simulated_request import SimulatedRequest, pieces_of
from sched.order import queue_position
from sched.predict.speed import Pass

_DEFAULTS: dict[str, float] = {
    "prefill_tokens_per_second": 4000.0,
    "decode_tokens_per_second": 80.0,
    "max_running_requests": 8,
    "context_length": 8192,
    "max_total_tokens": 65536,
    "output_tokens": 32,
}
_DEFAULT_NEW_TOKENS = 128
_LOOK_SECONDS = 0.02


def _position(key: float, sequence: int, priority: int) -> tuple[bool, tuple[int, float, int]]:
    return (True, queue_position(key, sequence, priority))


class SimulatedRuntime:
    """See the module and :class:`engine.worker.runtime_interface.Runtime`.

    Raises:
        StartError: ``engine_args`` has an unknown name or a value that is not positive.
    """

    simulated = True

    def __init__(self, spec: WorkerSpec, run_dir: Path) -> None:
        given = dict(spec.engine_args)
        self._faults = SimulatedFaults(spec.name, given)
        self._lease = LeaseReader(run_dir)
        self._ledger = asked_for()
        unknown = sorted(set(given) - set(_DEFAULTS))
        if unknown:
            raise StartError(f"a simulated runtime has no argument {unknown[0]}: drop it")
        settings = _DEFAULTS | given
        for name, value in settings.items():
            if not isinstance(value, int | float) or value <= 0:
                raise StartError(f"{name} is {value!r}; it must be a positive number")
        folder = Path(spec.model_path)
        self._tokenizer_hash = tokenizer_hash(folder) if folder.is_dir() else "simulated"
        self._prefill_seconds = spec.slowdown / settings["prefill_tokens_per_second"]
        self._decode_seconds = spec.slowdown / settings["decode_tokens_per_second"]
        self._slots = int(settings["max_running_requests"])
        self._context = int(settings["context_length"])
        self._capacity = int(settings["max_total_tokens"])
        self._output_tokens = int(settings["output_tokens"])
        self._cache = SimulatedCache(spec.name, self._capacity)
        self._kv_events = spec.kv_events
        self._waiting, self._running = list[SimulatedRequest](), list[SimulatedRequest]()
        self._steps = 0
        self._work = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None

    def prove(self) -> tuple[str, ...]:
        """Return how this queue orders the proof's requests."""
        positions = {
            name: _position(*place) if place else (False, (0, 0.0, 0)) for name, place in PROOF_QUEUE.items()
        }
        return tuple(sorted(positions, key=positions.__getitem__))

    async def open(self) -> RuntimeInfo:
        """Start the loop that stands for the scheduler."""
        self._loop_task = asyncio.create_task(self._schedule(), name="simulated scheduler")
        return RuntimeInfo(
            context_length=self._context,
            max_total_tokens=self._capacity,
            max_running_requests=self._slots,
            engine_version="simulated",
            tokenizer_hash=self._tokenizer_hash,
            device="simulated",
        )

    async def warm_up(self) -> None:
        """Nothing is cold here."""

    async def generate(self, request: Generate) -> AsyncIterator[Output]:
        """Yield the growing output, at the simulated speed.

        Raises:
            ValueError: the prompt and output don't fit the context, or log probabilities are asked for.
        """
        if request.logprobs:
            raise ValueError("return_logprob needs a model: a simulated runtime has none")
        prompt_tokens = len(request.token_ids) // 4
        wanted = max(1, int(request.sampling.get("max_new_tokens", _DEFAULT_NEW_TOKENS)))
        if prompt_tokens + wanted > self._context:
            raise ValueError(
                f"{prompt_tokens} prompt and {wanted} new tokens exceed the context of {self._context}"
            )
        text = self._faults.text()
        pieces = pieces_of(text) if text else ()
        length = min(wanted, len(pieces) or self._output_tokens)
        end = {"type": "length", "length": length} if length == wanted else {"type": "stop"}
        position = _position(request.key, request.sequence, request.priority)
        entry = SimulatedRequest(request, prompt_tokens, length, end, position)
        if pieces:
            entry.pieces = pieces
        if self._ledger:
            self._ledger.came(request.rid)
        self._waiting.append(entry)
        self._work.set()
        try:
            while entry.reason is None:
                await entry.changed.wait()
                entry.changed.clear()
                yield entry.output()
        finally:
            self._remove(entry)

    def reader(self, request: Generate) -> None:
        """Return nothing: its text is no model's."""

    def abort(self, rid: str) -> None:
        """End the request at once."""
        for entry in [*self._waiting, *self._running]:
            if entry.request.rid == rid:
                self._remove(entry)
                entry.reason = {"type": "abort", "message": "aborted"}
                entry.changed.set()

    def rekey(self, rid: str, key: float) -> None:
        """Give a waiting request another place at once."""
        for entry in self._waiting:
            if entry.request.rid == rid:
                entry.position = _position(key, entry.request.sequence, entry.request.priority)

    async def load(self) -> RuntimeLoad:
        """Return the present load."""
        return RuntimeLoad(
            running=len(self._running),
            waiting=len(self._waiting),
            used_tokens=sum(entry.prompt_tokens + entry.produced for entry in self._running),
            scheduler_steps=self._steps,
            still_seconds=self._faults.still_seconds(),
        )

    def passes(self, most: int) -> list[Pass]:
        """Return nothing."""
        return []

    async def set_prefill_budget(self, tokens: int) -> None:
        """Change nothing: it never mixes."""

    async def loads(self) -> list[dict[str, Any]]:
        """Return the present load under SGLang's names."""
        load, slots = await self.load(), self._slots
        sizes = {"max_total_num_tokens": self._capacity, "max_running_requests": slots}
        counts = {"num_running_reqs": load.running, "num_waiting_reqs": load.waiting, "dp_rank": 0}
        return [{"num_used_tokens": load.used_tokens, **counts, **sizes}]

    async def server_info(self) -> dict[str, Any]:
        """Return what the runtime is, under SGLang's names where it has one."""
        sizes = {"context_length": self._context, "max_total_num_tokens": self._capacity}
        return sizes | {"max_running_requests": self._slots, "simulated": True, "internal_states": [{}]}

    async def flush_cache(self) -> bool:
        """Forget all prefixes, if nothing runs or waits."""
        if self._waiting or self._running:
            return False
        self._cache.clear()
        return True

    def report_cache(self, send: Callable[[WireMessage], bool]) -> None:
        """Report the cache to ``send``, and from then on every change."""
        if self._kv_events:
            self._cache.report(send)

    async def metrics(self) -> str:
        """Return nothing."""
        return ""

    def shutdown(self) -> None:
        """Stop the loop."""
        if self._loop_task is not None:
            self._loop_task.cancel()

    def _remove(self, entry: SimulatedRequest) -> None:
        for queue in (self._waiting, self._running):
            if entry in queue:
                queue.remove(entry)

    async def _schedule(self) -> None:
        while True:  # shutdown() cancels it
            if not self._waiting and not self._running:
                self._work.clear()
                await self._work.wait()
            while self._faults.hangs:  # noqa: ASYNC110 (a file)
                await asyncio.sleep(_LOOK_SECONDS)
            self._steps += 1
            if self._waiting and len(self._running) < self._slots and self._lease.holds():
                await self._prefill()
            elif self._running:
                await self._decode()
            else:
                await asyncio.sleep(_LOOK_SECONDS)

    async def _prefill(self) -> None:
        self._waiting.sort(key=lambda entry: entry.position)
        entry = self._waiting.pop(0)
        self._running.append(entry)
        if self._ledger:
            self._ledger.began(entry.request.rid)
        entry.cached_tokens = self._cache.cached_tokens(entry.request.token_ids)
        uncached = entry.prompt_tokens - entry.cached_tokens
        await asyncio.sleep(self._prefill_seconds * uncached * self._faults.slower)
        self._cache.insert(entry.request.token_ids)
        if entry in self._running:
            self._produce(entry)

    async def _decode(self) -> None:
        batch = list(self._running)
        await asyncio.sleep(self._decode_seconds * self._faults.slower)
        if self._faults.holds:
            return
        for entry in batch:
            if entry in self._running:
                self._produce(entry)

    def _produce(self, entry: SimulatedRequest) -> None:
        entry.produced += 1
        if entry.produced == entry.length:
            entry.reason = entry.end
            self._cache.insert(entry.request.token_ids + pack_ids(entry.output().token_ids[:-1]))
            self._running.remove(entry)
        entry.changed.set()
