"""What a worker needs from a runtime, real or simulated, and the plain data between them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from engine.messages import Generate

PROOF_QUEUE: Mapping[str, tuple[float, int] | None] = {
    "proof-late": (9.0, 1),
    "proof-tie-second": (5.0, 4),
    "proof-tie-first": (5.0, 3),
    "proof-early": (-1.0, 7),
    "proof-unkeyed": None,
}
"""The synthetic requests that prove a runtime's order, as they are queued: name to (key, sequence)."""

PROOF_ORDER = ("proof-unkeyed", "proof-early", "proof-tie-first", "proof-tie-second", "proof-late")
"""How the proof must come out; a request without a key (a health check) goes first."""


class StartError(Exception):
    """The runtime can't start; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeInfo:
    """What a started runtime is.  Sizes in tokens."""

    context_length: int
    max_total_tokens: int
    max_running_requests: int
    engine_version: str
    tokenizer_hash: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Requests running and waiting, KV tokens in use, forward passes made so far."""

    running: int
    waiting: int
    used_tokens: int
    scheduler_steps: int


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


class Runtime(Protocol):
    """A started runtime, used from one event loop.  Its constructor loads the model and blocks."""

    simulated: bool

    def prove(self) -> tuple[str, ...]:
        """Return the order into which the runtime's queue brought ``PROOF_QUEUE``.

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

    def abort(self, rid: str) -> None:
        """Have the request end soon with finish reason ``abort``; unknown ids are ignored."""
        ...

    async def load(self) -> Load:
        """Return the present load."""
        ...

    def shutdown(self) -> None:
        """End the runtime's own processes; the object can't be used afterwards."""
        ...


def tokenizer_hash(folder: Path) -> str:
    """Return a hash of the tokenizer in ``folder``, the same however its file is formatted.

    Raises:
        StartError: there is no tokenizer file.
    """
    path = folder / "tokenizer.json"
    if path.is_file():
        content = json.loads(path.read_bytes())
        essence = {
            part: content.get(part) for part in ("model", "added_tokens", "normalizer", "pre_tokenizer")
        }
        return _digest(json.dumps(essence, sort_keys=True).encode())
    path = folder / "tokenizer.model"
    if path.is_file():
        return _digest(path.read_bytes())
    raise StartError(f"model_path {folder} has neither tokenizer.json nor tokenizer.model")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
