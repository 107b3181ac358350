"""``/generate`` and ``/abort_request`` over the real controller and scripted workers."""

from __future__ import annotations

import ast
import asyncio
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from launch.api.native.native_bodies import GenerateBody, SamplingParams
from launch.api.native.sglang_fields import REQUEST_FIELDS, SAMPLING_FIELDS
from sched.errors import Failure
from tests.launch.api.api_fakes import CONTEXT_LENGTH
from tests.launch.api.api_stack import answered, api_stack, events, words
from tests.waiting import reached


async def test_answer_has_sglangs_shape_and_says_what_the_scheduler_did() -> None:
    """Text, ids and meta_info as SGLang's, the runtime's own meta included, and our part under sluice."""
    async with api_stack() as api:
        response = await api.generate(rid="mine")
        assert response.status_code == 200
        answer = response.json()
        assert answer["text"] == "SELECT 1 + 1"
        assert answer["output_ids"] == [100, 101, 102]
        meta = answer["meta_info"]
        assert meta["id"] == "mine"
        assert meta["finish_reason"] == {"type": "stop", "matched": 2}
        assert (meta["prompt_tokens"], meta["completion_tokens"], meta["cached_tokens"]) == (3, 3, 2)
        assert meta["weight_version"] == "default"
        assert meta["e2e_latency"] > 0
        assert meta["sluice"]["runtime"] == "r0"
        assert meta["sluice"]["decision"]["placement"] == "least_work"


async def test_sampling_reaches_the_runtime_as_given_with_sglangs_default_length() -> None:
    """Only what the client set is passed on, and max_new_tokens, 128 by default."""
    async with api_stack() as api:
        await api.generate(sampling_params={"temperature": 0, "stop": ";", "top_p": None})
        assert api.worker.requests[0].sampling == {"temperature": 0.0, "stop": [";"], "max_new_tokens": 128}


async def test_null_max_new_tokens_means_the_rest_of_the_context() -> None:
    """As in SGLang, null sets no limit but the context's."""
    async with api_stack() as api:
        await api.generate(sampling_params={"max_new_tokens": None})
        assert api.worker.requests[0].sampling["max_new_tokens"] == CONTEXT_LENGTH - 3


async def test_token_ids_are_sent_as_given() -> None:
    """input_ids skip the tokenizer."""
    async with api_stack() as api:
        response = await api.generate(text=None, input_ids=[7, 8, 70_000])
        assert response.status_code == 200
        assert api.worker.requests[0].token_ids == b"".join(i.to_bytes(4, "little") for i in (7, 8, 70_000))


async def test_stream_repeats_the_whole_output_in_each_event() -> None:
    """Text and ids are cumulative; only the last answer has a finish reason; [DONE] ends the stream."""
    async with api_stack() as api:
        response = await api.generate(stream=True)
        assert response.headers["content-type"].startswith("text/event-stream")
        *parts, done = [data for _, data in events(response.text)]
        assert done == "[DONE]"
        assert [part["text"] for part in parts] == ["SELECT", "SELECT 1", "SELECT 1 + 1", "SELECT 1 + 1"]
        assert [len(part["output_ids"]) for part in parts] == [1, 2, 3, 3]
        assert [part["meta_info"]["completion_tokens"] for part in parts] == [1, 2, 3, 3]
        assert {part["meta_info"]["cached_tokens"] for part in parts} == {2}
        reasons = [part["meta_info"]["finish_reason"] for part in parts]
        assert reasons == [None, None, None, {"type": "stop", "matched": 2}]
        assert parts[-1]["meta_info"]["sluice"]["runtime"] == "r0"


async def test_what_fails_before_the_first_token_has_its_own_status_even_in_a_stream() -> None:
    """The status line waits for the first event, so an error is no 200."""
    async with api_stack() as api:
        api.worker.failure = Failure("invalid_request", "the grammar is broken")
        response = await api.generate(stream=True)
        assert response.status_code == 400
        assert response.json()["error"] == {"code": "invalid_request", "message": "the grammar is broken"}


async def test_what_fails_in_the_middle_of_a_stream_is_an_event_before_the_end_mark() -> None:
    """A client that has seen output gets the error as data, then [DONE]."""
    async with api_stack() as api:
        api.worker.failure, api.worker.fails_late = Failure("runtime_failure", "out of memory"), True
        response = await api.generate(stream=True)
        assert response.status_code == 200
        (_, part), (_, error), (_, done) = events(response.text)
        assert part["text"] == "SELECT"
        assert error["error"]["code"] == "runtime_failure"
        assert done == "[DONE]"


async def test_a_rid_in_use_is_refused_and_free_again_afterwards() -> None:
    """Two calls in flight can't share a rid; it opens no workflow to find that out."""
    async with api_stack() as api:
        api.worker.go.clear()
        first = asyncio.create_task(api.generate(rid="same"))
        await reached(lambda: bool(api.worker.requests))
        refused = await api.generate(rid="same", stream=True)
        assert refused.status_code == 409
        assert refused.json()["error"]["field"] == "rid"
        assert len(api.latest(10)) == 1
        api.worker.go.set()
        assert (await first).status_code == 200
        assert (await api.generate(rid="same")).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_abort_request_stops_the_call_on_its_runtime(stream: bool) -> None:
    """The runtime is told, the client that waits gets code cancelled, and the workflow is cancelled."""
    async with api_stack() as api:
        api.worker.go.clear()
        waiting = asyncio.create_task(api.generate(rid="mine", stream=stream))
        await reached(lambda: bool(api.worker.requests))
        if stream:
            await reached(lambda: answered(api, "/generate", 200) == 1)
        aborted = await api.client.post("/abort_request", json={"rid": "mine"})
        assert (aborted.status_code, aborted.json()) == (200, {"rid": "mine", "found": True, "aborted": 1})
        response = await waiting
        error = events(response.text)[-2][1]["error"] if stream else response.json()["error"]
        assert error["code"] == "cancelled"
        assert response.status_code == (200 if stream else 499)
        assert api.worker.aborted == [api.worker.requests[0].rid]
        assert api.latest(1)[0].state == "cancelled"


async def test_abort_request_says_when_there_is_nothing_to_abort() -> None:
    """As in SGLang the status is 200; the body tells."""
    async with api_stack() as api:
        response = await api.client.post("/abort_request", json={"rid": "nobody", "abort_all": False})
        assert (response.status_code, response.json()["found"]) == (200, False)
        nothing = await api.client.post("/abort_request", json={"rid": ""})
        assert (nothing.status_code, nothing.json()["error"]["field"]) == (400, "rid")


async def test_abort_all_stops_every_call_of_the_server() -> None:
    """Calls of clients and of questions alike are aborted on their runtimes, and counted."""
    async with api_stack() as api:
        api.worker.go.clear()
        question = {"question": "How many?", "database": "shop"}
        waiting = [
            asyncio.create_task(work)
            for work in (api.generate(), api.generate(), api.client.post("/v1/text2sql", json=question))
        ]
        await reached(lambda: len(api.worker.requests) == 3)
        aborted = await api.client.post("/abort_request", json={"rid": "", "abort_all": True})
        assert aborted.json() == {"rid": "", "found": True, "aborted": 3}
        assert {(await answer).status_code for answer in waiting} == {499}
        assert sorted(api.worker.aborted) == sorted(request.rid for request in api.worker.requests)


@pytest.mark.parametrize("path", ["/abort_request", "/v1/workflows/agent-7"])
async def test_whoever_stops_many_calls_holds_nobody(path: str) -> None:
    """They are aborted a few at a time: others get their turns between."""
    async with api_stack() as api:
        api.worker.go.clear()
        many = {"sampling_params": {"n": 200, "max_new_tokens": 4}, "workflow": {"id": "agent-7"}}
        waiting = asyncio.create_task(api.generate(**many))
        await reached(lambda: len(api.worker.requests) == 200)
        turns: list[int] = []

        async def others() -> None:
            while len(api.worker.aborted) < 200:
                turns.append(len(api.worker.aborted))
                await asyncio.sleep(0)

        watching = asyncio.create_task(others())
        body = {"abort_all": True} if path == "/abort_request" else None
        await api.client.request("POST" if body else "DELETE", path, json=body)
        await watching
        assert (await waiting).status_code == 499
        assert max(after - before for before, after in pairwise([*turns, 200])) <= 40


async def test_prompt_over_the_context_is_refused_before_it_is_queued() -> None:
    """400 names where the prompt came from, or the output's limit if that is too much."""
    async with api_stack() as api:
        long = CONTEXT_LENGTH
        cases: list[tuple[dict[str, Any], str]] = [
            ({"text": words(long)}, "text"),
            ({"text": None, "input_ids": [1] * long}, "input_ids"),
            ({"text": words(long - 10)}, "sampling_params.max_new_tokens"),
        ]
        for body, field in cases:
            response = await api.generate(**body)
            assert (response.status_code, response.json()["error"]["field"]) == (400, field)
        assert not api.worker.requests
        assert not api.latest(10)


BAD_BODIES: list[tuple[dict[str, Any], int, str]] = [
    ({"text": None}, 400, "text"),
    ({"input_ids": [1]}, 400, "input_ids"),
    ({"text": []}, 400, "text"),
    ({"text": ["a", 7]}, 422, "text.1"),
    ({"text": None, "input_ids": [[1], [2, "x"]]}, 422, "input_ids.1.1"),
    ({"text": None, "input_ids": []}, 400, "input_ids"),
    ({"text": None, "input_ids": [1, "x"]}, 422, "input_ids.1"),
    ({"text": None, "input_ids": [2**31]}, 400, "input_ids"),
    ({"text": None, "input_ids": [3, -1]}, 400, "input_ids"),
    ({"text": None, "input_ids": [2**40]}, 400, "input_ids"),
    ({"text": None, "input_ids": [True]}, 422, "input_ids.0"),
    ({"text": "  "}, 400, "text"),
    ({"text": 7}, 422, "text"),
    ({"rid": ["a"]}, 400, "rid"),
    ({"stream": "yes"}, 422, "stream"),
    ({"prompt": "x"}, 400, "prompt"),
    ({"return_logprob": "yes"}, 422, "return_logprob"),
    ({"return_logprob": True, "logprob_start_len": 4}, 400, "logprob_start_len"),
    ({"top_logprobs_num": -1}, 422, "top_logprobs_num"),
    ({"priority": 2**31}, 422, "priority"),
    ({"priority": -(2**31) - 1}, 422, "priority"),
    ({"lora_path": "adapter"}, 400, "lora_path"),
    ({"image_data": "x.png"}, 400, "image_data"),
    ({"sampling_params": [{}]}, 400, "sampling_params"),
    ({"sampling_params": {"temprature": 0}}, 400, "sampling_params.temprature"),
    ({"sampling_params": {"temperature": -1}}, 400, "sampling_params.temperature"),
    ({"sampling_params": {"temperature": True}}, 400, "sampling_params.temperature"),
    ({"sampling_params": {"top_p": 0}}, 400, "sampling_params.top_p"),
    ({"sampling_params": {"top_k": 0}}, 400, "sampling_params.top_k"),
    ({"sampling_params": {"n": 0}}, 400, "sampling_params.n"),
    ({"sampling_params": {"beam_width": 4}}, 400, "sampling_params.beam_width"),
    ({"sampling_params": {"max_new_tokens": -1}}, 400, "sampling_params.max_new_tokens"),
    ({"sampling_params": {"min_new_tokens": 200}}, 400, "sampling_params.min_new_tokens"),
    ({"sampling_params": {"stop_regex": "("}}, 400, "sampling_params.stop_regex.0"),
    ({"sampling_params": {"stop_regex": ["a", r"(a)\1"]}}, 400, "sampling_params.stop_regex.1"),
    ({"sampling_params": {"stop_regex": "(?<=a)b"}}, 400, "sampling_params.stop_regex.0"),
    ({"sampling_params": {"regex": "a", "ebnf": "b"}}, 400, "sampling_params.ebnf"),
    ({"workflow": {"id": "a b"}}, 422, "workflow.id"),
    ({"workflow": {"id": "a", "slo_seconds": 0}}, 422, "workflow.slo_seconds"),
    ({"workflow": {"id": "a", "deadline": 1}}, 400, "workflow.deadline"),
    ({"workflow": {"siblings": 2}}, 400, "workflow.id"),
]


@pytest.mark.parametrize(("body", "status", "field"), BAD_BODIES)
async def test_bad_input_names_the_field(body: dict[str, Any], status: int, field: str) -> None:
    """Nothing wrong is ignored or queued; the error says which field it was."""
    async with api_stack() as api:
        response = await api.generate(**body)
        assert (response.status_code, response.json()["error"].get("field")) == (status, field)
        assert response.json()["error"]["code"] == "invalid_request"
        assert not api.worker.requests


async def test_fields_of_sglang_that_ask_for_nothing_are_accepted() -> None:
    """SGLang's own clients send these with every request."""
    async with api_stack() as api:
        unused = {"lora_path": None, "no_logs": False, "log_metrics": True, "image_data": None}
        response = await api.generate(**unused, sampling_params={"n": 1, "beam_width": None}, workflow=None)
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("file", "name", "known"),
    [
        ("managers/io_struct.py", "GenerateReqInput", {*GenerateBody.model_fields, *REQUEST_FIELDS}),
        ("sampling/sampling_params.py", "SamplingParams", {*SamplingParams.model_fields, *SAMPLING_FIELDS}),
    ],
)
def test_every_field_of_sglang_is_served_or_refused_by_name(file: str, name: str, known: set[str]) -> None:
    """A new field of SGLang's must not pass unnoticed."""
    sglang = find_spec("sglang")
    if sglang is None or not sglang.submodule_search_locations:
        pytest.skip("SGLang is not installed")
    source = Path(sglang.submodule_search_locations[0], "srt", file).read_text()
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    fields = {node.target.id for node in classes[name].body if isinstance(node, ast.AnnAssign)}  # type: ignore[union-attr]
    internal = {"stop_strs", "stop_regex_strs", "stop_str_max_len", "stop_regex_max_len", "is_normalized"}
    assert fields - internal - {"ebnf_full_assistant"} <= known
