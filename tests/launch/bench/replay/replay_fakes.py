"""Traces and servers for the tests of the replay."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from launch.bench.replay.endpoint import Api, Endpoint
from sched.traces.trace_format import TraceCall, TraceSegment, TraceWorkflow
from sched.workflow import SegmentKind

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | int]]
"""Gets a request's body; returns changes to a right answer, or a status."""


def call(number: int, *after: int, stage: str = "step", output: int = 4, **fields: Any) -> TraceCall:
    """Return a call behind ``after`` with a shared template and a question of its own."""
    segments = (
        TraceSegment(SegmentKind.TEMPLATE, stage, 20),
        TraceSegment(SegmentKind.QUESTION, None, 5),
    )
    return TraceCall(id=number, stage=stage, after=after, segments=segments, output=output, **fields)


def workflow(name: str, *calls: TraceCall, arrival: float = 0.0, **fields: Any) -> TraceWorkflow:
    return TraceWorkflow(id=name, arrival=arrival, calls=calls, **fields)


class FakeServer:
    """Answers as SGLang or OpenAI's API does; ``bodies`` are the requests so far, in order."""

    def __init__(self, handler: Handler | None = None) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._handler = handler

    def endpoint(self, api: Api = "sluice") -> Endpoint:
        return Endpoint("http://fake", api, transport=httpx.MockTransport(self._answer))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": "tiny"}]})
        body = json.loads(request.content or b"{}")
        self.bodies.append(body)
        told = await self._handler(body) if self._handler else {}
        if isinstance(told, int):
            return httpx.Response(told)
        if request.url.path == "/v1/completions":
            usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": body["max_tokens"]}
            return httpx.Response(200, json={"usage": usage | told})
        sampling = body["sampling_params"]
        ended = sampling["min_new_tokens"] + 1 if "stop_token_ids" in sampling else sampling["max_new_tokens"]
        meta = {
            "prompt_tokens": len(body["input_ids"]),
            "completion_tokens": ended,
            "cached_tokens": 7,
            "e2e_latency": 0.0,
            "queue_time": 0.5,
            "first_token_latency": 0.75,
            "weight_version": "cpu-1",
        }
        return httpx.Response(200, json={"text": "", "output_ids": [], "meta_info": meta | told})
