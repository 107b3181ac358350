"""Wire messages between the controller and its workers, and their codec.

A message is two frames, or three when token ids travel: an orjson header ``[kind, version, rid]``,
an orjson body (the dataclass's fields), and token ids as little-endian int32.  Times on the wire are
durations or *remaining* seconds, never clock readings, since every process has its own clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import orjson

VERSION = 1
RID_LENGTH = 24
"""Every internal request id has this many characters, since SGLang's abort matches by prefix."""


class BadFrameError(Exception):
    """A frame that is not a message of this version; the receiver logs and drops it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Base of all messages.  ``rid`` is empty where no request is meant."""

    kind: ClassVar[str]
    rid: str = ""
    token_ids: bytes = b""


# --- controller to worker -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate(Message):
    """Run a request.  ``token_ids`` is the prompt; ``key`` and ``sequence`` are its place in the queue
    (smallest first); ``remaining_seconds`` bounds its life on the worker."""

    kind: ClassVar[str] = "generate"
    sampling: Mapping[str, Any]
    key: float
    sequence: int
    remaining_seconds: float
    stream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort(Message):
    """Stop request ``rid``; remembered by the worker if it overtakes its ``Generate``."""

    kind: ClassVar[str] = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome(Message):
    """The controller accepts a worker's ``Hello``; ``epoch`` names the controller's life."""

    kind: ClassVar[str] = "welcome"
    epoch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Message):
    """The controller's heartbeat; a worker that hears none for its orphan limit ends itself."""

    kind: ClassVar[str] = "ping"
    epoch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown(Message):
    """End after finishing what runs, or after ``grace_seconds``."""

    kind: ClassVar[str] = "shutdown"
    grace_seconds: float


# --- worker to controller -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Message):
    """A ready runtime introduces itself; resent until welcomed.

    ``hook_proof`` is the order in which the scheduler process sorted the synthetic requests (see
    ``engine/sglang_hook.py``).  ``tokenizer_hash`` must be the same for all runtimes of a server.
    Sizes in tokens.
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
    slowdown: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Message):
    """A worker's load.  ``scheduler_steps`` counts forward passes of SGLang's scheduler."""

    kind: ClassVar[str] = "heartbeat"
    runtime: str
    running: int
    waiting: int
    used_tokens: int
    scheduler_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstToken(Message):
    """The first output token of ``rid`` exists, ``seconds`` after the worker received it."""

    kind: ClassVar[str] = "first_token"
    seconds: float
    cached_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk(Message):
    """New output of a streamed request since the last chunk; ``token_ids`` are the new ids."""

    kind: ClassVar[str] = "chunk"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Message):
    """``rid`` ended normally; ``token_ids`` are all output ids.

    ``ttft_seconds`` and ``total_seconds`` run from the worker's receipt of the request.
    ``finish_reason`` is SGLang's dictionary (``{"type": "stop" | "length" | "abort", ...}``).
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Message):
    """``rid`` ended with an error; ``code`` is one of ``sched.errors``'s codes."""

    kind: ClassVar[str] = "failed"
    code: str
    message: str


_KINDS: dict[str, type[Message]] = {
    cls.kind: cls
    for cls in (
        Generate,
        Abort,
        Welcome,
        Ping,
        Shutdown,
        Hello,
        Heartbeat,
        FirstToken,
        Chunk,
        Finished,
        Failed,
    )
}
_BODY_FIELDS: dict[str, tuple[str, ...]] = {
    kind: tuple(f.name for f in fields(cls) if f.name not in ("rid", "token_ids"))
    for kind, cls in _KINDS.items()
}


def encode(message: Message) -> list[bytes]:
    """Return the frames of ``message``."""
    kind = message.kind
    body = {name: getattr(message, name) for name in _BODY_FIELDS[kind]}
    frames = [orjson.dumps([kind, VERSION, message.rid]), orjson.dumps(body)]
    if message.token_ids:
        frames.append(message.token_ids)
    return frames


def decode(frames: Sequence[bytes]) -> Message:
    """Return the message in ``frames``.

    Raises:
        BadFrameError: wrong frame count, unknown kind or version, malformed header, body or ids.
    """
    if len(frames) not in (2, 3):
        raise BadFrameError(f"expected 2 or 3 frames, got {len(frames)}")
    try:
        kind, version, rid = orjson.loads(frames[0])
        body = orjson.loads(frames[1])
    except (orjson.JSONDecodeError, ValueError, TypeError) as error:
        raise BadFrameError(f"malformed frame: {error}") from error
    if version != VERSION:
        raise BadFrameError(f"wire version {version!r}, this process speaks {VERSION}")
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise BadFrameError(f"unknown message kind {kind!r}")
    token_ids = bytes(frames[2]) if len(frames) == 3 else b""
    if not isinstance(body, dict) or not isinstance(rid, str) or len(token_ids) % 4:
        raise BadFrameError(f"malformed {kind} message")
    try:
        return cls(rid=rid, token_ids=token_ids, **body)
    except TypeError as error:
        raise BadFrameError(f"malformed {kind} message: {error}") from error
