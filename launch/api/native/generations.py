"""SGLang's answer for a call, whole or growing."""

from __future__ import annotations

from array import array
from typing import Any

from engine.controller.calls import CallRequest, CallResult
from engine.controller.timeline import CallEntry
from engine.wire.messages import Chunk
from launch.api.scheduling import scheduling


def whole(rid: str, call: CallRequest, result: CallResult) -> dict[str, Any]:
    """Return the answer for a finished call."""
    answer, entry = result.answer, result.entry
    meta = dict(answer.meta) | _meta_info(rid, entry, answer.output_tokens, answer.finish_reason)
    meta["e2e_latency"] = entry.total_seconds
    meta["sluice"] = scheduling(call, entry)
    return {"text": answer.text, "output_ids": result.output_ids, "meta_info": meta}


class Growing:
    """The answer for a streamed call: each event holds all of the output so far."""

    def __init__(self, rid: str, call: CallRequest) -> None:
        self._rid = rid
        self._call = call
        self._text = ""
        self._output_ids: list[int] = []
        self._logprobs: dict[str, list[Any]] = {}

    def event(self, part: tuple[Chunk, CallEntry] | CallResult) -> dict[str, Any]:
        """Return the answer after ``part``, which the controller's stream yielded."""
        if isinstance(part, CallResult):
            return whole(self._rid, self._call, part)
        chunk, entry = part
        self._text += chunk.text
        self._output_ids += array("i", chunk.token_ids)
        for name, new in chunk.logprobs.items():
            self._logprobs.setdefault(name, []).extend(new)
        meta = _meta_info(self._rid, entry, len(self._output_ids), None) | self._logprobs
        if self._logprobs:
            meta["output_token_logprobs_length"] = len(self._output_ids)
        return {"text": self._text, "output_ids": self._output_ids, "meta_info": meta}


def _meta_info(rid: str, entry: CallEntry, output_tokens: int, finish_reason: Any) -> dict[str, Any]:
    return {
        "id": rid,
        "finish_reason": finish_reason,
        "prompt_tokens": entry.prompt_tokens,
        "completion_tokens": output_tokens,
        "cached_tokens": entry.cached_tokens,
    }
