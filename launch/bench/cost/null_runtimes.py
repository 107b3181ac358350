"""Null runtimes: workers that answer every call at once.  No model, no simulation of one; for measurements.

``python -m launch.bench.cost.null_runtimes --status-fd N`` reads a ``NullSpec`` as one line of JSON from
standard input and ends when that closes or on SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import orjson

from engine.wire import messages as msg
from engine.wire.dealer_link import DealerLink
from engine.wire.ordering_proof import PROOF_ORDER
from engine.wire.status_writer import StatusWriter

HELD_ID = 1
"""A prompt that begins with this token id is never answered, only aborted."""
OUTPUT_TOKENS = 32
CONTEXT_LENGTH = 32_768

_HELLO_SECONDS = 0.1
_HEARTBEAT_SECONDS = 1.0
_FIRST_OUTPUT_ID = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NullSpec:
    """The runtimes to stand for (``names``) and the controller's ZMQ address."""

    endpoint: str
    names: Sequence[str]

    def to_json(self) -> bytes:
        """Return the spec as one line of JSON."""
        return orjson.dumps(asdict(self))


def null_hello(name: str, pid: int, max_total_tokens: int = 1_000_000) -> msg.Hello:
    """Return the introduction of a runtime without a model."""
    return msg.Hello(
        runtime=name,
        pid=pid,
        model_path="null",
        tokenizer_hash="null",
        context_length=CONTEXT_LENGTH,
        max_total_tokens=max_total_tokens,
        max_running_requests=1_000,
        device="null",
        engine_version="null",
        hook_proof=PROOF_ORDER,
        simulated=True,
    )


class NullRuntime:
    """One runtime; its messages are handled in the link's own thread."""

    def __init__(self, name: str, endpoint: str) -> None:
        self._name = name
        self._held: set[str] = set()
        self._text = "null " * OUTPUT_TOKENS
        self._output = array("i", range(_FIRST_OUTPUT_ID, _FIRST_OUTPUT_ID + OUTPUT_TOKENS)).tobytes()
        self.welcomed = threading.Event()
        self._link = DealerLink(endpoint, name, self._receive)

    def beat(self) -> None:
        """Say hello until welcomed, then send a heartbeat."""
        if self.welcomed.is_set():
            load = msg.Heartbeat(
                runtime=self._name, running=len(self._held), waiting=0, used_tokens=0, scheduler_steps=0
            )
            self._link.send(load)
            return
        self._link.send(null_hello(self._name, os.getpid()))

    def close(self) -> None:
        """Leave."""
        self._link.close()

    def _receive(self, message: msg.WireMessage) -> None:
        match message:
            case msg.Generate():
                self._answer(message)
            case msg.AbortRequest(rid=rid) if rid in self._held:
                self._held.remove(rid)
                self._link.send(msg.Failed(rid=rid, code="cancelled", message="aborted"))
            case msg.Welcome():
                self.welcomed.set()
            case msg.Command(rid=rid):
                self._link.send(msg.CommandReply(rid=rid, runtime=self._name))
            case _:
                pass  # pings; an abort that came too late

    def _answer(self, request: msg.Generate) -> None:
        rid = request.rid
        if int.from_bytes(request.token_ids[:4], sys.byteorder) == HELD_ID:
            self._held.add(rid)
            return
        # The same messages that a worker sends for a call that isn't streamed.
        self._link.send(msg.FirstTokenReady(rid=rid, seconds=0.0, cached_tokens=0))
        self._link.send(
            msg.Finished(
                rid=rid,
                text=self._text,
                token_ids=self._output,
                finish_reason={"type": "length", "length": OUTPUT_TOKENS},
                prompt_tokens=len(request.token_ids) // 4,
                cached_tokens=0,
                output_tokens=OUTPUT_TOKENS,
                ttft_seconds=0.0,
                total_seconds=0.0,
            )
        )


def _follow_lifeline(stop: threading.Event) -> None:
    sys.stdin.buffer.read()
    stop.set()


def main() -> int:
    """Serve until told to end; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m launch.bench.cost.null_runtimes", description=__doc__)
    parser.add_argument("--status-fd", type=int, required=True, help="where stages are reported")
    status = StatusWriter(parser.parse_args().status_fd)
    spec = NullSpec(**orjson.loads(sys.stdin.buffer.readline()))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_follow_lifeline, args=(stop,), daemon=True).start()
    runtimes = [NullRuntime(name, spec.endpoint) for name in spec.names]
    ready = False
    while not stop.wait(_HEARTBEAT_SECONDS if ready else _HELLO_SECONDS):
        for runtime in runtimes:
            runtime.beat()
        if not ready and all(runtime.welcomed.is_set() for runtime in runtimes):
            ready = True
            status("ready")
    for runtime in runtimes:
        runtime.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
