"""One request on its way through a worker: the runtime's output in, messages to the controller out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from engine.wire.chat_output import MessagePart
from engine.wire.messages import Chunk, Failed, Finished, FirstTokenReady, Generate, WireMessage
from engine.wire.token_ids import pack_ids
from engine.worker.runtime_interface import (
    INPUT_LOGPROBS,
    OUTPUT_LOGPROBS,
    Output,
    OutputReader,
    Runtime,
)
from sched.clock import Clock, monotonic
from sched.errors import Failure

logger = logging.getLogger(__name__)

COALESCE_SECONDS = 0.02
"""A stream sends at most one chunk in this time."""

_BAD_REQUEST = 400


class RequestReporter:
    """Reports a request's first token, its chunks if it streams, and exactly one ending."""

    def __init__(
        self, request: Generate, send: Callable[[WireMessage], object], clock: Clock = monotonic
    ) -> None:
        self.request = request
        self.verdict: Failure | None = None
        """Why the request is being aborted; set before the abort, so that the ending can say it."""
        self._send = send
        self._clock = clock
        self._received = clock()
        self._first_token: float | None = None
        self._latest: Output | None = None
        self._reader: OutputReader | None = None
        self._sent_characters = 0
        self._sent_tokens = 0
        self._last_chunk = float("-inf")
        self._chunk_timer: asyncio.TimerHandle | None = None

    async def run(self, runtime: Runtime) -> None:
        """Serve the request to its end; raises nothing."""
        rid = self.request.rid
        try:
            if self.verdict is None:  # an abort may have come before this task's first step
                self._reader = runtime.reader(self.request)
                async for output in runtime.generate(self.request):
                    self._take(output)
            ending = self._ending()
        except asyncio.CancelledError:
            failure = self.verdict or Failure("unavailable", "the runtime stopped")
            ending = Failed(rid=rid, code=failure.code, message=failure.message)
        except (ValueError, TypeError) as error:
            ending = Failed(rid=rid, code="invalid_request", message=str(error))
        except Exception as error:
            logger.exception("request %s failed", rid)
            ending = Failed(rid=rid, code="runtime_failure", message=f"{type(error).__name__}: {error}")
        if self._chunk_timer is not None:
            self._chunk_timer.cancel()
        if isinstance(ending, Finished):
            ending = self._told(ending)
        self._send(ending)

    def _told(self, ending: Finished) -> Finished:
        """Return the ending with its message, if it is read, once a stream's last part was sent."""
        reader, stream = self._reader, self.request.stream
        if reader is None:
            if stream:
                self._send_chunk()
            return ending
        if not stream:
            return replace(ending, message=reader.read(ending.text))
        last, message = reader.end(ending.text)
        self._send_chunk(last)
        return replace(ending, message=message)

    def _take(self, output: Output) -> None:
        self._latest = output
        if not output.token_ids:
            return
        now = self._clock()
        if self._first_token is None:
            self._first_token = now
            self._send(
                FirstTokenReady(
                    rid=self.request.rid,
                    seconds=now - self._received,
                    cached_tokens=output.cached_tokens,
                )
            )
        if self.request.stream and self._chunk_timer is None:
            wait = max(0.0, self._last_chunk + COALESCE_SECONDS - now)
            self._chunk_timer = asyncio.get_running_loop().call_later(wait, self._send_chunk)

    def _send_chunk(self, last: MessagePart | None = None) -> None:
        """Send what is new; ``last`` is the last part of a message that is read."""
        self._chunk_timer = None
        output = self._latest
        if output is None or (len(output.token_ids) == self._sent_tokens and not last):
            return
        self._last_chunk = self._clock()
        text = output.text[self._sent_characters :]
        part = last if last is not None or self._reader is None else self._reader.feed(text)
        self._send(
            Chunk(
                rid=self.request.rid,
                text=text,
                part=part,
                token_ids=pack_ids(output.token_ids[self._sent_tokens :]),
                logprobs=self._new_logprobs(output) if self.request.logprobs else {},
            )
        )
        self._sent_characters, self._sent_tokens = len(output.text), len(output.token_ids)

    def _new_logprobs(self, output: Output) -> dict[str, Any]:
        new = slice(self._sent_tokens, len(output.token_ids))  # SGLang's lists may already be longer
        logprobs = {name: output.meta[name][new] for name in OUTPUT_LOGPROBS if name in output.meta}
        if not self._sent_tokens:
            logprobs |= {name: output.meta[name] for name in INPUT_LOGPROBS if name in output.meta}
        return logprobs

    def _ending(self) -> Finished | Failed:
        output, rid = self._latest, self.request.rid
        if output is None or output.finish_reason is None:
            failure = self.verdict or Failure("runtime_failure", "the runtime gave no result")
            return Failed(rid=rid, code=failure.code, message=failure.message)
        if output.finish_reason.get("type") == "abort":
            return self._aborted(output.finish_reason)
        now = self._clock()
        return Finished(
            rid=rid,
            text=output.text,
            token_ids=pack_ids(output.token_ids),
            finish_reason=output.finish_reason,
            prompt_tokens=output.prompt_tokens,
            cached_tokens=output.cached_tokens,
            output_tokens=len(output.token_ids),
            ttft_seconds=(now if self._first_token is None else self._first_token) - self._received,
            total_seconds=now - self._received,
            meta=output.meta,
        )

    def _aborted(self, reason: Mapping[str, Any]) -> Failed:
        failure = self.verdict
        if failure is None:
            code = "invalid_request" if reason.get("status_code") == _BAD_REQUEST else "runtime_failure"
            failure = Failure(code, str(reason.get("message", "the runtime aborted the request")))
        return Failed(rid=self.request.rid, code=failure.code, message=failure.message)
