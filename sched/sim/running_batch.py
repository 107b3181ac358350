"""The requests of a simulated runtime, and those of them that decode together."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from sched.sim.batching import Batching

_RETRACT_DECODE_STEPS = 20
"""Steps that SGLang wants room for after a retraction (``SGLANG_RETRACT_DECODE_STEPS``)."""


@dataclass(slots=True, eq=False)
class SimRequest:
    """A call on a runtime.  ``position`` is its place in the queue (``sched/order.py``), ``pieces`` its
    prompt (``sched/sim/prompt_chains.py``).

    ``computed``: tokens of it in the KV cache; the first ``shared_tokens`` of them, ``shared`` pieces, are
    in the radix tree.  ``produced``: output tokens.  While it decodes, the last two stand still and
    ``born`` is the batch's step count at which it would have produced none.
    """

    call_id: int
    attempt: int
    position: tuple[int, float, int]
    pieces: tuple[int, ...]
    prompt_tokens: int
    output_tokens: int
    max_new_tokens: int
    received_at: float
    admitted_at: float | None = None
    first_token_at: float | None = None
    cached_tokens: int = 0
    computed: int = 0
    shared: int = 0
    shared_tokens: int = 0
    produced: int = 0
    born: int = 0

    @property
    def missing_tokens(self) -> int:
        """Tokens to compute before it (again) decodes; after a retraction its output is among them."""
        return self.prompt_tokens + self.produced - self.computed


class TokenRatio:
    """SGLang's new-token ratio: the share of promised output tokens that is reserved for running requests.

    It decays with every decode iteration, to a minimum.
    """

    def __init__(self, batching: Batching) -> None:
        self._from = batching.init_new_token_ratio
        self._least = batching.min_new_token_ratio
        self._decay = (self._from - self._least) / batching.ratio_decay_steps
        self._steps = 0

    @property
    def value(self) -> float:
        """The present ratio."""
        return max(self._least, self._from - self._steps * self._decay)

    def decay(self, steps: int) -> None:
        """Let decode iterations pass."""
        self._steps += steps

    def restart(self, value: float) -> None:
        """Begin anew at ``value``."""
        self._from, self._steps = value, 0


@dataclass(slots=True)
class PrefillBudget:
    """What an iteration may still take: prefill tokens, requests, and room in the KV cache (tokens).

    At most ``reserved`` tokens are kept for a request's output.
    """

    tokens: int
    requests: int
    room: float
    reserved: int
    batch: list[tuple[SimRequest, int]] = field(default_factory=list)

    def take(self, request: SimRequest, tokens: int) -> None:
        """Take ``tokens`` of a request; the last ones of its prompt reserve its whole output."""
        self.batch.append((request, tokens))
        self.tokens -= tokens
        self.room -= tokens
        if tokens == request.missing_tokens:
            self.room -= self.reserve(request)

    def reserve(self, request: SimRequest) -> int:
        """Return the tokens to keep for a request's output."""
        return min(self.reserved, request.max_new_tokens - request.produced)


class RunningBatch:
    """The decoding requests; ``kv_tokens`` is their KV."""

    def __init__(self) -> None:
        self._requests: dict[SimRequest, None] = {}
        self._ending: list[tuple[int, int, SimRequest]] = []
        self._entries = itertools.count()
        self._steps = 0
        self.kv_tokens = 0

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[SimRequest]:
        return iter(self._requests)

    def __contains__(self, request: SimRequest) -> bool:
        return request in self._requests

    def join(self, request: SimRequest) -> None:
        """Add a request whose first token is out and whose output goes on."""
        self._requests[request] = None
        request.born = self._steps - request.produced
        self.kv_tokens += request.computed
        entry = request.born + request.output_tokens, next(self._entries), request
        heapq.heappush(self._ending, entry)

    def leave(self, request: SimRequest) -> None:
        """Remove a request and bring its counts up to date."""
        del self._requests[request]
        produced = self._steps - request.born
        request.computed += produced - request.produced
        request.produced = produced
        self.kv_tokens -= request.computed

    def decode(self, steps: int) -> list[SimRequest]:
        """Let ``steps`` iterations pass; return the requests that thereby ended, removed."""
        self._steps += steps
        self.kv_tokens += steps * len(self._requests)
        ended = []
        while self._requests and self._first_end() <= self._steps:
            request = heapq.heappop(self._ending)[2]
            self.leave(request)
            ended.append(request)
        return ended

    def promised_tokens(self, most: int) -> int:
        """Return what the requests may still produce, counting at most ``most`` tokens of each."""
        steps = self._steps
        return sum(min(most, r.max_new_tokens - steps + r.born) for r in self._requests)

    def steps_to_end(self) -> int:
        """Return the iterations until the first request ends; there must be one."""
        return self._first_end() - self._steps

    def retract(self) -> SimRequest:
        """Remove and return the request that SGLang retracts first: least output, then longest prompt."""
        chosen = max(self._requests, key=lambda r: (r.born, r.prompt_tokens, r.position))
        self.leave(chosen)
        return chosen

    def token_ratio(self) -> float:
        """Return SGLang's new-token ratio after a retraction."""
        count = len(self._requests)
        produced = sum(self._steps - r.born for r in self._requests)
        most = sum(r.max_new_tokens for r in self._requests)
        return min(1.0, (produced + _RETRACT_DECODE_STEPS * count) / (most + 1))

    def _first_end(self) -> int:
        """Return the step count of the first end, forgetting entries of requests that left."""
        while True:
            count, _, request = self._ending[0]
            if request in self._requests and request.born + request.output_tokens == count:
                return count
            heapq.heappop(self._ending)
