"""Wire messages between the controller and its workers; their codec is ``engine/wire/codec.py``.

Times on the wire are durations or *remaining* seconds, never clock readings, since every process has its
own clock.  ``token_ids`` are little-endian int32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from engine.wire.chat_output import MessagePart, Reading
from engine.wire.plausible import check_numbers, check_passes, check_scope, check_speed

RID_LENGTH = 24
"""Every internal request id has this many characters, since SGLang's abort matches by prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireMessage:
    """Base of all messages.  ``rid`` is empty where no request is meant."""

    kind: ClassVar[str]
    rid: str = ""
    token_ids: bytes = b""


# --- controller to worker -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate(WireMessage):
    """Run a request.  ``token_ids`` is the prompt; ``priority``, ``key`` and ``sequence`` are its place in
    the queue (``sched/order.py``); ``remaining_seconds`` bounds its life on the worker.

    ``sampling`` holds SGLang's sampling parameters, ``logprobs`` its request fields for log probabilities
    (``return_logprob`` …; empty: none are wanted).  ``reading``: how the output is read, if it is a chat's.
    """

    kind: ClassVar[str] = "generate"
    sampling: Mapping[str, Any]
    key: float
    sequence: int
    remaining_seconds: float
    priority: int = 0
    logprobs: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    reading: Reading | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortRequest(WireMessage):
    """Stop request ``rid``; remembered by the worker if it overtakes its ``Generate``."""

    kind: ClassVar[str] = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class RekeyRequest(WireMessage):
    """Give request ``rid`` another ``key``; one that has started, or ended, keeps its way."""

    kind: ClassVar[str] = "rekey"
    key: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduce(WireMessage):
    """Say ``Hello``: the controller doesn't know who sent the heartbeat, since it is a new one or had given
    the worker up."""

    kind: ClassVar[str] = "introduce"


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome(WireMessage):
    """The controller accepts a worker's ``Hello``; ``epoch`` names the controller's life.

    ``fresh``: the worker is new to the controller, which knows nothing of what it may still be running.
    ``connection`` is the ``Hello``'s.
    """

    kind: ClassVar[str] = "welcome"
    epoch: str
    fresh: bool = False
    connection: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(WireMessage):
    """End all that runs: the controller has given the runtime up, and has it run elsewhere."""

    kind: ClassVar[str] = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(WireMessage):
    """The controller's heartbeat; a worker that hears none for its orphan limit ends itself."""

    kind: ClassVar[str] = "ping"
    epoch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown(WireMessage):
    """End after finishing what runs, or after ``grace_seconds``.

    ``fault`` says what is wrong with the worker; empty: nothing.
    """

    kind: ClassVar[str] = "shutdown"
    grace_seconds: float
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(WireMessage):
    """Do ``action`` (see ``engine/wire/actions.py``) in ``seconds`` and answer with a ``CommandReply``."""

    kind: ClassVar[str] = "command"
    action: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRequest(WireMessage):
    """Report what the prefix cache holds, and from then on every change, as ``CacheChanged``."""

    kind: ClassVar[str] = "cache_request"


# --- worker to controller -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(WireMessage):
    """A ready runtime introduces itself; resent until welcomed.

    ``hook_proof`` is the order in which the scheduler process sorted the synthetic requests of
    ``engine/wire/ordering_proof.py``.  ``tokenizer_hash`` must be the same for all runtimes of a server.
    ``connection`` counts the worker's broken connections: with each, messages were lost.
    ``chunk_tokens``, ``mixed``: how it prefills.  ``speed``: the fields of ``sched.predict.speed.Speed``,
    empty if it wasn't calibrated.  ``tool_call_parser``: the format of calls that it reads by itself, by
    SGLang's name; empty if there is none.  Sizes in tokens.
    """

    kind: ClassVar[str] = "hello"
    runtime: str
    pid: int
    model_path: str
    tokenizer_hash: str
    context_length: int
    max_total_tokens: int
    max_running_requests: int
    device: str
    engine_version: str
    hook_proof: Sequence[str]
    simulated: bool
    connection: int = 0
    slowdown: float = 1.0
    overlap: bool = False
    chunk_tokens: int = 8192
    mixed: bool = False
    speed: Mapping[str, float] = field(default_factory=dict)
    tool_call_parser: str = ""

    def __post_init__(self) -> None:
        check_numbers(
            1,
            context_length=self.context_length,
            max_total_tokens=self.max_total_tokens,
            max_running_requests=self.max_running_requests,
            slowdown=self.slowdown,
        )
        check_numbers(-1, chunk_tokens=self.chunk_tokens)  # -1: SGLang prefills a prompt at once
        check_speed(self.speed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(WireMessage):
    """A worker's load.  ``scheduler_steps`` counts forward passes of SGLang's scheduler; ``passes`` are the
    latest ones since the heartbeat before, each the fields of ``sched.predict.speed.Pass``.
    ``still_seconds``: since the scheduler last showed a sign of life (``engine/worker/pulse.py``)."""

    kind: ClassVar[str] = "heartbeat"
    runtime: str
    running: int
    waiting: int
    used_tokens: int
    scheduler_steps: int
    passes: Sequence[Sequence[float]] = field(default_factory=list)
    still_seconds: float = 0.0

    def __post_init__(self) -> None:
        check_numbers(
            0,
            running=self.running,
            waiting=self.waiting,
            used_tokens=self.used_tokens,
            still_seconds=self.still_seconds,
        )
        check_passes(self.passes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReply(WireMessage):
    """What came of the ``Command`` with this ``rid``; ``error`` says why it failed and is else empty."""

    kind: ClassVar[str] = "command_reply"
    runtime: str
    result: Any = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheChanged(WireMessage):
    """What the prefix cache of ``runtime`` holds, in blocks (``sched/cache/prefix.py``).

    ``scope``: ``changes`` since the report before, ``all``, or ``unknown``.  A gap in ``sequence`` asks
    for another ``CacheRequest``.
    """

    kind: ClassVar[str] = "cache_changed"
    runtime: str
    sequence: int
    scope: str
    added: Sequence[int] = ()
    removed: Sequence[int] = ()

    def __post_init__(self) -> None:
        check_scope(self.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTokenReady(WireMessage):
    """The first output token of ``rid`` exists, ``seconds`` after the worker received it."""

    kind: ClassVar[str] = "first_token"
    seconds: float
    cached_tokens: int

    def __post_init__(self) -> None:
        check_numbers(0, seconds=self.seconds, cached_tokens=self.cached_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk(WireMessage):
    """New output of a streamed request since the last chunk; ``token_ids`` are the new ids.

    ``logprobs`` holds what is new in SGLang's lists of log probabilities, by their names in ``meta_info``.
    ``part``: what is new in the message, if the output is read; it may have nothing new.
    """

    kind: ClassVar[str] = "chunk"
    text: str
    logprobs: Mapping[str, Any] = field(default_factory=dict)
    part: MessagePart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(WireMessage):
    """``rid`` ended normally; ``token_ids`` are all output ids.

    ``ttft_seconds`` and ``total_seconds`` run from the worker's receipt of the request.
    ``finish_reason`` is SGLang's dictionary (``{"type": "stop" | "length" | "abort", ...}``).
    ``message``: the output as it was read, if it was.
    """

    kind: ClassVar[str] = "finished"
    text: str
    finish_reason: Mapping[str, Any]
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    ttft_seconds: float
    total_seconds: float
    meta: Mapping[str, Any] = field(default_factory=dict)
    message: MessagePart | None = None

    def __post_init__(self) -> None:
        check_numbers(
            0,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            output_tokens=self.output_tokens,
            ttft_seconds=self.ttft_seconds,
            total_seconds=self.total_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(WireMessage):
    """``rid`` ended with an error; ``code`` is one of ``sched.errors``'s codes."""

    kind: ClassVar[str] = "failed"
    code: str
    message: str
