"""SGLang's KV-cache events: how they are switched on, and what they say."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.sglang.kv_blocks import KvBlocks
from engine.sglang.kv_feed import KvFeed, Send
from engine.sglang.kv_link import EventLink
from engine.worker.runtime_interface import StartError

logger = logging.getLogger(__name__)

_REPEATED_BATCHES = 2000
"""Batches that SGLang keeps for a reader that missed some; there is at most one per forward pass."""
_IN_GPU_MEMORY = (None, "GPU")
"""Where a page must be to count.  (SGLang says so on CPU, too.)"""


def _endpoint(run_dir: Path, name: str) -> str:
    return f"ipc://{run_dir}/kv-{name}"


def publisher_arguments(arguments: Mapping[str, Any], run_dir: Path) -> dict[str, Any]:
    """Return what makes an engine with ``arguments`` publish its events in ``run_dir``.

    Nothing where they would not tell the cache as our index sees it: with several data-parallel caches in
    one engine, and with speculative decoding, whose pages overlap.

    Raises:
        StartError: the user has other plans for the events.
    """
    if arguments.get("kv_events_config"):
        raise StartError(
            "kv_events_config can't be set while Sluice follows the caches itself: start with --no-kv-events"
        )
    for name, plain in (("dp_size", 1), ("speculative_algorithm", None)):
        if arguments.get(name, plain) != plain:
            logger.warning("with %s set, what the runtime caches is guessed", name)
            return {}
    config = {
        "publisher": "zmq",
        "topic": "kv",
        "endpoint": _endpoint(run_dir, "events"),
        "replay_endpoint": _endpoint(run_dir, "replay"),
        "buffer_steps": _REPEATED_BATCHES,
    }
    return {"kv_events_config": json.dumps(config)}


def _reader() -> Callable[[bytes, KvBlocks], None]:
    """Return what applies a batch of events, as SGLang encodes it, to blocks."""
    import msgspec
    from sglang.srt.disaggregation.kv_events import AllBlocksCleared, BlockRemoved, BlockStored, KVEventBatch

    decoder = msgspec.msgpack.Decoder(KVEventBatch)

    def read(payload: bytes, blocks: KvBlocks) -> None:
        for event in decoder.decode(payload).events:
            if isinstance(event, AllBlocksCleared):
                blocks.clear()
            elif event.medium not in _IN_GPU_MEMORY:
                continue
            elif isinstance(event, BlockRemoved):
                blocks.remove(event.block_hashes)
            elif isinstance(event, BlockStored) and not _apart(event):
                blocks.store(event.block_hashes, event.parent_block_hash, event.token_ids, event.block_size)

    return read


def _apart(event: Any) -> bool:
    """Whether the pages are for certain requests only (an adapter's, or salted): other tokens to us."""
    return event.lora_id is not None or getattr(event, "cache_salt", None) is not None


class CacheWatch:
    """Follows the cache of this process's engine, if its ``arguments`` have it publish in ``run_dir``."""

    def __init__(self, runtime: str, arguments: Mapping[str, Any], run_dir: Path) -> None:
        self._runtime = runtime
        self._publishes = _endpoint(run_dir, "events") in (arguments.get("kv_events_config") or "")
        self._run_dir = run_dir
        self._following: tuple[KvFeed, EventLink] | None = None

    def start(self) -> None:
        """Begin to follow; the engine has been started."""
        if self._publishes:
            feed = KvFeed(self._runtime, _reader())
            link = EventLink(_endpoint(self._run_dir, "events"), _endpoint(self._run_dir, "replay"), feed)
            self._following = feed, link

    def report(self, send: Send) -> None:
        """Report everything to ``send``, and from then on every change."""
        if self._following is not None:
            feed, link = self._following
            feed.ask(send)
            link.wake()

    def close(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following[1].close()
