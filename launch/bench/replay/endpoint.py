"""Servers that a trace can be replayed against, by the API that they speak."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import numpy as np
import orjson
from numpy.typing import NDArray

from launch.bench.replay.token_prompts import STOP_ID

Api = Literal["sluice", "sglang", "openai"]
APIS: tuple[Api, ...] = ("sluice", "sglang", "openai")

_LONGEST_SECONDS = 3600.0
"""For any read; a call's own limit is shorter."""
_IDLE_SECONDS = 2.0
"""Servers close idle connections after about 5 seconds; one that is closed meanwhile would fail a call."""


class CallError(Exception):
    """A call that wasn't answered as asked; the message is short and the same for all of its kind."""


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """What an answer tells; see ``CallOutcome``.  Seconds count from the sending."""

    prompt_tokens: int
    output_tokens: int
    cached_tokens: int
    runtime: str = ""
    queue_seconds: float | None = None
    first_token_seconds: float | None = None
    predicted_cached_tokens: int | None = None


class Endpoint:
    """A server at ``url``.  Every output is forced to its length.  ``close`` it.

    ``model``: for OpenAI's API; the server's first one if left out.  ``transport``: another way there.
    """

    def __init__(
        self,
        url: str,
        api: Api,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.api = api
        self._model = model
        limits = httpx.Limits(max_connections=None, keepalive_expiry=_IDLE_SECONDS)
        transport = transport or httpx.AsyncHTTPTransport(limits=limits)
        self._client = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=_LONGEST_SECONDS, transport=transport
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def generate(
        self,
        ids: NDArray[np.int64],
        output_tokens: int,
        tag: Mapping[str, Any],
        seconds: float,
        limit_tokens: int | None = None,
    ) -> EndpointAnswer:
        """Send a prompt and return the answer; wait at most ``seconds``.

        ``tag``: the call's workflow, for a server that takes it.  ``limit_tokens``: the limit to tell, so
        that the server can't read the output's length off it (SGLang's own API only).

        Raises:
            CallError: no answer, an error, or other lengths than asked for.
        """
        try:
            async with asyncio.timeout(seconds):
                path, body = await self._request(ids, output_tokens, tag, limit_tokens)
                data = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
                sent = time.perf_counter()
                reply = await self._client.post(
                    path, content=data, headers={"content-type": "application/json"}
                )
        except TimeoutError as error:
            raise CallError("timeout") from error
        except httpx.HTTPError as error:
            raise CallError("connection") from error
        elapsed = time.perf_counter() - sent
        if reply.status_code != 200:
            raise CallError(f"http {reply.status_code}")
        try:
            answer = self._answer(orjson.loads(reply.content), elapsed)
        except (ValueError, KeyError, TypeError) as error:
            raise CallError("malformed answer") from error
        if (answer.prompt_tokens, answer.output_tokens) != (len(ids), output_tokens):
            raise CallError("wrong length")
        return answer

    async def post(self, path: str, seconds: float) -> None:
        """Send an empty request, such as ``/flush_cache``.

        Raises:
            CallError: it isn't answered with success.
        """
        try:
            reply = await self._client.post(path, timeout=seconds)
        except httpx.HTTPError as error:
            raise CallError(f"{path}: connection") from error
        if reply.is_error:
            raise CallError(f"{path}: http {reply.status_code}: {reply.text[:200]}")

    async def _request(
        self, ids: NDArray[np.int64], output_tokens: int, tag: Mapping[str, Any], limit_tokens: int | None
    ) -> tuple[str, dict[str, Any]]:
        if self.api == "openai":
            if self._model is None:
                self._model = str((await self._client.get("/v1/models")).json()["data"][0]["id"])
            forced = {"max_tokens": output_tokens, "temperature": 0.0, "ignore_eos": True}
            return "/v1/completions", {"model": self._model, "prompt": ids, **forced}
        sampling = {"max_new_tokens": output_tokens, "temperature": 0.0, "ignore_eos": True}
        if limit_tokens is not None:
            sampling = _ended_by_itself(output_tokens, limit_tokens)
        body = {"input_ids": ids, "sampling_params": sampling}
        return "/generate", body | ({"workflow": tag} if self.api == "sluice" else {})

    def _answer(self, reply: Mapping[str, Any], elapsed: float) -> EndpointAnswer:
        if self.api == "openai":
            usage = reply["usage"]
            details = usage.get("prompt_tokens_details") or {}
            return EndpointAnswer(
                usage["prompt_tokens"], usage["completion_tokens"], details.get("cached_tokens") or 0
            )
        return _native(reply["meta_info"], elapsed)


def _ended_by_itself(output_tokens: int, limit_tokens: int) -> dict[str, Any]:
    """Return parameters under which a model ends after ``output_tokens``: a token that is forbidden before is
    certain then."""
    return {
        "max_new_tokens": limit_tokens,
        "min_new_tokens": output_tokens - 1,
        "temperature": 0.0,
        "stop_token_ids": [STOP_ID],
        "logit_bias": {str(STOP_ID): 100.0},
    }


def _native(meta: Mapping[str, Any], elapsed: float) -> EndpointAnswer:
    """Read SGLang's ``meta_info`` and, within it, Sluice's.

    The way to the server and back is a wait, too: what the server's own time leaves of ``elapsed``.
    """
    ours = meta.get("sluice")
    outside = max(0.0, elapsed - meta["e2e_latency"])
    held = ours["waited_seconds"] if ours else 0.0
    queued, first = meta.get("queue_time"), meta.get("first_token_latency")
    if ours:
        first = ours["ttft_seconds"]
    decision = (ours or {}).get("decision") or {}
    return EndpointAnswer(
        prompt_tokens=meta["prompt_tokens"],
        output_tokens=meta["completion_tokens"],
        cached_tokens=meta["cached_tokens"] or 0,
        runtime=ours["runtime"] if ours else _named(meta.get("weight_version")),
        queue_seconds=None if queued is None else outside + held + queued,
        first_token_seconds=None if first is None else outside + first,
        predicted_cached_tokens=decision.get("predicted_cached_tokens"),
    )


def _named(version: object) -> str:
    """A stock server of ours (``engine/sglang/stock_server.py``) tells its name as its weights' version."""
    return "" if version in (None, "default") else str(version)
