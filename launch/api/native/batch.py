"""From one request of SGLang's to its calls: lists of prompts, and ``n`` samples of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from launch.api.native.native_bodies import MAX_CALLS, GenerateBody, SamplingParams
from sched.errors import InvalidRequestError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One call: its name, the index of its prompt, and how it is to be answered.

    ``logprobs`` as in :class:`engine.controller.calls.CallRequest`.
    """

    rid: str
    prompt: int
    sampling: SamplingParams
    logprobs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """The calls of a request, the samples of a prompt side by side; ``single``: its answer is no list.

    ``prompts`` are texts or lists of token ids, as ``field`` names them.
    """

    field: str
    prompts: Sequence[str] | Sequence[list[int]]
    items: Sequence[BatchItem]
    single: bool


def expand(body: GenerateBody) -> Batch:
    """Return the calls of ``body``.

    Raises:
        InvalidRequestError: the lists in it don't fit together, or it makes too many calls.
    """
    field, prompts, listed = _prompts(body)
    count = len(prompts)
    sampling = _each(body.sampling_params, "sampling_params", count, listed)
    logprobs = _logprobs(body, count, listed)
    samples = sampling[0].n or 1
    if any((params.n or 1) != samples for params in sampling):
        raise InvalidRequestError("n must be the same for all prompts", field="sampling_params.n")
    if count * samples > MAX_CALLS:
        raise InvalidRequestError(
            f"{count} prompts with {samples} samples each are over {MAX_CALLS} calls: send fewer at once",
            field="sampling_params.n" if samples > 1 else field,
        )
    single = not listed and samples == 1
    rids = _rids(body, count, samples, listed)
    items = [
        BatchItem(rid, i // samples, sampling[i // samples], logprobs[i // samples])
        for i, rid in enumerate(rids)
    ]
    return Batch(field, prompts, items, single)


def _prompts(body: GenerateBody) -> tuple[str, Sequence[str] | Sequence[list[int]], bool]:
    """Return the field that holds the prompts, these, and whether the client sent a list of them."""
    if body.text is None:
        ids: Any = body.input_ids
        listed = bool(ids) and isinstance(ids[0], list)
        return "input_ids", ids if listed else [ids], listed
    if not body.text and isinstance(body.text, list):
        raise InvalidRequestError("text is an empty list: give at least one prompt", field="text")
    return "text", [body.text] if isinstance(body.text, str) else body.text, isinstance(body.text, list)


def _each(value: T | list[T], field: str, count: int, listed: bool) -> list[T]:
    """Return a value for each prompt.

    Raises:
        InvalidRequestError: ``field`` is a list, but not with one value for each of a list of prompts.
    """
    if not isinstance(value, list):
        return [value] * count
    if not listed:
        raise InvalidRequestError(f"{field} is a list, but there is one prompt: give one value", field=field)
    if len(value) != count:
        raise InvalidRequestError(f"{field} has {len(value)} values for {count} prompts", field=field)
    return value


def _logprobs(body: GenerateBody, count: int, listed: bool) -> list[Mapping[str, Any]]:
    """Return SGLang's fields for log probabilities of each prompt; empty where none are wanted."""
    wanted = _each(body.return_logprob, "return_logprob", count, listed)
    starts = _each(body.logprob_start_len, "logprob_start_len", count, listed)
    tops = _each(body.top_logprobs_num, "top_logprobs_num", count, listed)
    ids: Any = body.token_ids_logprob or None
    of_ids = (
        _each(ids, "token_ids_logprob", count, listed) if ids and isinstance(ids[0], list) else [ids] * count
    )
    return [
        {
            "return_logprob": True,
            "logprob_start_len": start,
            "top_logprobs_num": top,
            "token_ids_logprob": token_ids or None,
            "return_text_in_logprobs": body.return_text_in_logprobs,
        }
        if want
        else {}
        for want, start, top, token_ids in zip(wanted, starts, tops, of_ids, strict=True)
    ]


def _rids(body: GenerateBody, count: int, samples: int, listed: bool) -> list[str]:
    """Return a name for each call: the client's, with its number in the batch where calls share it.

    Raises:
        InvalidRequestError: the client gave a name twice.
    """
    rid = body.rid
    if rid is None:
        return [uuid4().hex for _ in range(count * samples)]
    if isinstance(rid, str):
        single = count * samples == 1 and not listed
        return [rid] if single else [f"{rid}_{index}" for index in range(count * samples)]
    names: list[str] = _each(rid, "rid", count, listed)
    if len(set(names)) < count:
        raise InvalidRequestError("rid names a call twice", field="rid")
    return names if samples == 1 else [f"{name}_{sample}" for name in names for sample in range(samples)]
