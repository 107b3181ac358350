"""What a worker needs from a runtime, real or simulated, and the plain data between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.wire.chat_output import MessagePart
from engine.wire.messages import Generate, WireMessage
from sched.predict.speed import Pass

OUTPUT_LOGPROBS = ("output_token_logprobs", "output_top_logprobs", "output_token_ids_logprobs")
"""Lists in an output's ``meta``, by SGLang's names, with an entry per output token."""
INPUT_LOGPROBS = ("input_token_logprobs", "input_top_logprobs", "input_token_ids_logprobs")
"""Such lists with an entry per prompt token; complete with the first output token."""


class StartError(Exception):
    """The runtime can't start; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeInfo:
    """What a started runtime is.  Sizes in tokens.

    ``overlap``: it plans a batch before it has the results of the one in computation.  ``chunk_tokens``,
    ``mixed``: its ``chunked_prefill_size`` and ``enable_mixed_chunk``.  ``vocab_size``: token ids are below.
    ``tool_call_parser``: the format of calls that it reads by itself, by SGLang's name; empty: none.
    """

    context_length: int
    max_total_tokens: int
    max_running_requests: int
    engine_version: str
    tokenizer_hash: str
    device: str
    overlap: bool = False
    chunk_tokens: int = 8192
    mixed: bool = False
    vocab_size: int = 0
    tool_call_parser: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeLoad:
    """Requests running and waiting, KV tokens in use, forward passes made so far.

    ``still_seconds``: since the runtime's scheduler last showed a sign of life, seen from outside; the
    longest of several.  One that has nothing to do shows signs of life, too.
    """

    running: int
    waiting: int
    used_tokens: int
    scheduler_steps: int
    still_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A request's output so far: all of its text and token ids.

    ``finish_reason`` is ``None`` until the last one, then SGLang's dictionary.
    """

    text: str
    token_ids: Sequence[int]
    prompt_tokens: int
    cached_tokens: int
    finish_reason: Mapping[str, Any] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


class OutputReader(Protocol):
    """Reads one output as a chat's message; either in parts, or at once.  It raises nothing."""

    def feed(self, text: str) -> MessagePart:
        """Return what is new in the message after ``text``, the output's next piece, of any size."""
        ...

    def end(self, text: str) -> tuple[MessagePart, MessagePart]:
        """Return what the parts before lack of the message, and all of it; ``text`` is the whole output."""
        ...

    def read(self, text: str) -> MessagePart:
        """Return the message in the whole output ``text``."""
        ...


class Runtime(Protocol):
    """A started runtime, used from one event loop.  Its constructor loads the model and blocks."""

    simulated: bool

    def prove(self) -> tuple[str, ...]:
        """Return the order into which the runtime's queue brought ``ordering_proof.PROOF_QUEUE``.

        Raises:
            StartError: our ordering is not live in it.
        """
        ...

    async def open(self) -> RuntimeInfo:
        """Begin to serve on the running event loop and return what the runtime is.

        The caller installs its signal handlers afterwards.
        """
        ...

    async def warm_up(self) -> None:
        """Serve a first request, so that the next one finds everything ready.

        Raises:
            StartError: it can't be served.
        """
        ...

    def generate(self, request: Generate) -> AsyncIterator[Output]:
        """Yield the growing output of ``request``.

        Raises:
            ValueError: the request can't be served as it is.
        """
        ...

    def reader(self, request: Generate) -> OutputReader | None:
        """Return what reads the output of ``request``; ``None`` where its text is the whole message.

        Raises:
            ValueError: the tools of the request are no tools.
        """
        ...

    def abort(self, rid: str) -> None:
        """Have the request end soon with finish reason ``abort``; unknown ids are ignored."""
        ...

    def rekey(self, rid: str, key: float) -> None:
        """Give a request that waits another key, soon; one that doesn't is left as it is."""
        ...

    async def load(self) -> RuntimeLoad:
        """Return the present load."""
        ...

    def passes(self, most: int) -> list[Pass]:
        """Return the latest forward passes since the call before, the oldest first; none if it can't tell."""
        ...

    async def set_prefill_budget(self, tokens: int) -> None:
        """Prefill up to ``tokens`` per pass beside decoding from now on; 0: as the runtime was started.

        Raises:
            RuntimeError: it can't be set.
        """
        ...

    async def loads(self) -> list[dict[str, Any]]:
        """Return the present load in detail, one dictionary per scheduler, as SGLang's ``/v1/loads``."""
        ...

    async def server_info(self) -> dict[str, Any]:
        """Return the runtime's arguments and state, under the names of SGLang's ``/server_info``."""
        ...

    async def flush_cache(self) -> bool:
        """Empty the prefix cache; return whether that was done: it isn't while requests run or wait."""
        ...

    def report_cache(self, send: Callable[[WireMessage], bool]) -> None:
        """Have ``send`` get a ``CacheChanged`` with all of the prefix cache, then one for every change.

        A runtime that can't tell sends nothing.  ``send`` may be called in any thread; what it returned
        false for is lost.
        """
        ...

    async def metrics(self) -> str:
        """Return the runtime's own metrics as Prometheus' text, empty if it keeps none."""
        ...

    def shutdown(self) -> None:
        """End the runtime's own processes; the object can't be used afterwards."""
        ...
