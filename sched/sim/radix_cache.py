"""The KV cache of a simulated runtime: SGLang's radix tree over the pieces of prompts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from sched.sim.prompt_chains import piece_tokens
from sched.sim.running_batch import SimRequest


class SimCache:
    """Pieces that requests refer to, and pieces that none does, least recently used first out.

    A piece stands for a whole prefix, so the tree is implied: requests refer to the first pieces of their
    prompts, and a released prompt is put back leaf first, hence a parent is never evicted before its
    child.  ``referenced`` and ``evictable`` are tokens.
    """

    def __init__(self) -> None:
        self._references: dict[int, int] = {}
        self._idle: OrderedDict[int, int] = OrderedDict()
        self._tails = 0
        self.referenced = 0
        self.evictable = 0

    def match(self, pieces: Sequence[int]) -> int:
        """Return how many leading pieces are cached."""
        references, idle = self._references, self._idle
        for count, piece in enumerate(pieces):
            if piece not in references and piece not in idle:
                return count
        return len(pieces)

    def acquire(self, pieces: Sequence[int]) -> None:
        """Refer to ``pieces``; those not cached are inserted."""
        references, idle = self._references, self._idle
        for piece in pieces:
            count = references.get(piece, 0)
            references[piece] = count + 1
            if count == 0:
                self.referenced += piece_tokens(piece)
                self.evictable -= idle.pop(piece, 0)

    def release(self, pieces: Sequence[int], tail_tokens: int) -> None:
        """Stop referring to ``pieces``; the ``tail_tokens`` behind them, an output, stay cached."""
        references, idle = self._references, self._idle
        if tail_tokens > 0:
            self._tails -= 1
            idle[self._tails] = tail_tokens
            self.evictable += tail_tokens
        for piece in reversed(pieces):
            count = references[piece] - 1
            if count:
                references[piece] = count
                continue
            del references[piece]
            idle[piece] = tokens = piece_tokens(piece)
            self.referenced -= tokens
            self.evictable += tokens

    def shrink(self, tokens: int) -> None:
        """Evict until at most ``tokens`` (≥ 0) are evictable."""
        while self.evictable > tokens and self._idle:
            self.evictable -= self._idle.popitem(last=False)[1]


class KvMemory:
    """A runtime's KV tokens: the radix tree, and ``private`` tokens that requests computed beside it."""

    def __init__(self, capacity_tokens: int) -> None:
        self._capacity = capacity_tokens
        self._private = 0
        self.cache = SimCache()

    @property
    def available(self) -> int:
        """Tokens that are free or can be evicted."""
        return self._capacity - self.cache.referenced - self._private

    def adopt(self, request: SimRequest) -> None:
        """Give a request what is cached of its prompt; its last token is always computed."""
        matched = self.cache.match(request.pieces)
        if matched == len(request.pieces) and not request.produced:
            matched -= 1
        prefix = request.pieces[:matched]
        self.cache.acquire(prefix)
        request.shared = matched
        request.shared_tokens = request.computed = sum(map(piece_tokens, prefix))

    def computed(self, request: SimRequest, tokens: int) -> None:
        """Note ``tokens`` more of a request in prefill; whole pieces of its prompt are shared at once."""
        request.computed += tokens
        self._private += tokens
        pieces, end = request.pieces, request.shared
        shared_tokens = request.shared_tokens
        while end < len(pieces) and shared_tokens + piece_tokens(pieces[end]) <= request.computed:
            shared_tokens += piece_tokens(pieces[end])
            end += 1
        self.cache.acquire(pieces[request.shared : end])
        self._private -= shared_tokens - request.shared_tokens
        request.shared, request.shared_tokens = end, shared_tokens

    def decoded(self, tokens: int) -> None:
        """Note ``tokens`` of output."""
        self._private += tokens

    def free(self, request: SimRequest, *, keep_output: bool) -> None:
        """Give a request's tokens back: its prompt stays cached, its output only if ``keep_output``."""
        tail = request.computed - request.shared_tokens
        self.cache.release(request.pieces[: request.shared], tail if keep_output else 0)
        self._private -= tail
        request.shared = request.shared_tokens = request.computed = 0

    def evict(self) -> None:
        """Evict what no longer fits."""
        self.cache.shrink(max(0, self.available))
