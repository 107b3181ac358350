"""From a request on the wire to SGLang's, and from SGLang's answer back.  No SGLang is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.sglang import hook
from engine.wire.messages import Generate
from engine.wire.token_ids import unpack_ids
from engine.worker.runtime_interface import INPUT_LOGPROBS, OUTPUT_LOGPROBS, Output

_INTERNAL_STREAM_INTERVAL = 16

_REPORTED_META = (
    "queue_time",
    "weight_version",
    "weight_versions",
    "num_retractions",
    "reasoning_tokens",
    "cached_tokens_details",
    *INPUT_LOGPROBS,
    *OUTPUT_LOGPROBS,
    "output_token_logprobs_length",
)


def fields(request: Generate, vocabulary: int) -> dict[str, Any]:
    """Return the fields of SGLang's ``GenerateReqInput``; ``vocabulary`` is the model's, in tokens.

    Raises:
        ValueError: SGLang's scheduler would not survive the request, or several samples are asked for.
    """
    token_ids = unpack_ids(request.token_ids)
    if not 0 <= min(token_ids) <= max(token_ids) < vocabulary:
        raise ValueError(f"input_ids must be from 0 to {vocabulary - 1}, the model's vocabulary")
    if request.logprobs.get("top_logprobs_num", 0) > vocabulary:
        raise ValueError(f"top_logprobs_num is over the model's vocabulary of {vocabulary} tokens")
    return {
        "rid": request.rid,
        "input_ids": token_ids.tolist(),
        "sampling_params": _sampling(request),
        "stream": True,  # only a stream shows its first token
        **request.logprobs,
    }


def _sampling(request: Generate) -> dict[str, Any]:
    sampling = dict(request.sampling)
    if sampling.get("n", 1) != 1:
        raise ValueError("sampling_params.n must be 1: send one request per sample")
    sampling.setdefault("stream_interval", 1 if request.stream else _INTERNAL_STREAM_INTERVAL)
    sampling["custom_params"] = (sampling.get("custom_params") or {}) | hook.custom_params(
        request.key, request.sequence, request.priority
    )
    return sampling


def output(answer: Mapping[str, Any], prompt_tokens: int) -> Output:
    """Return SGLang's answer so far to a request with ``prompt_tokens``."""
    meta = answer["meta_info"]
    return Output(
        text=answer["text"],
        token_ids=tuple(answer["output_ids"]),  # SGLang goes on appending to its list
        prompt_tokens=meta.get("prompt_tokens", prompt_tokens),
        cached_tokens=meta.get("cached_tokens", 0),
        finish_reason=meta["finish_reason"],
        meta={name: meta[name] for name in _REPORTED_META if name in meta},
    )
