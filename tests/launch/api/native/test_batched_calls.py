"""Batches, log probabilities and priority on ``/generate``, over the real controller and scripted workers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from sched.errors import Failure
from tests.launch.api.api_stack import Api, api_stack, events
from tests.waiting import reached


async def test_a_batch_is_answered_in_order_and_is_one_workflow_of_siblings() -> None:
    """Answers stand as the prompts do; the calls share a workflow and a join: the client waits for all."""
    async with api_stack() as api:
        response = await api.generate(text=["one", "two three", "four"], rid="job")
        answers = response.json()
        assert [answer["meta_info"]["id"] for answer in answers] == ["job_0", "job_1", "job_2"]
        assert [answer["meta_info"]["prompt_tokens"] for answer in answers] == [1, 2, 1]
        assert len({answer["meta_info"]["sluice"]["workflow_id"] for answer in answers}) == 1
        (record,) = api.latest(10)
        assert [entry.branch for entry in record.entries] == [0, 1, 2]
        assert record.state == "finished"


async def test_samples_are_siblings_of_one_prompt() -> None:
    """``n`` never reaches a runtime: each sample is a call of its own."""
    async with api_stack() as api:
        answers = (await api.generate(sampling_params={"n": 3, "temperature": 1})).json()
        assert [answer["text"] for answer in answers] == ["SELECT 1 + 1"] * 3
        assert len(api.worker.requests) == 3
        assert all("n" not in request.sampling for request in api.worker.requests)
        assert len({request.token_ids for request in api.worker.requests}) == 1


async def test_a_batch_can_join_a_workflow_of_its_client() -> None:
    """Its calls are siblings in the workflow that the tag names."""
    async with api_stack() as api:
        tag = {"id": "q", "stage": "draft", "last": True}
        answers = (await api.generate(text=["a", "b"], workflow=tag)).json()
        assert {answer["meta_info"]["sluice"]["workflow_id"] for answer in answers} == {"q"}
        assert {answer["meta_info"]["sluice"]["stage"] for answer in answers} == {"draft"}
        assert api.latest(1)[0].state == "finished"


async def test_a_streamed_batch_says_whose_event_it_is() -> None:
    """Each event has the call's index and all of its text so far; every call ends; [DONE] comes once."""
    async with api_stack() as api:
        response = await api.generate(text=["one", "two"], stream=True)
        *parts, done = [data for _, data in events(response.text)]
        assert done == "[DONE]"
        texts = defaultdict(list)
        for part in parts:
            texts[part["index"]].append(part["text"])
        assert dict(texts) == {
            index: ["SELECT", "SELECT 1", "SELECT 1 + 1", "SELECT 1 + 1"] for index in (0, 1)
        }
        ended = [part["index"] for part in parts if part["meta_info"]["finish_reason"]]
        assert sorted(ended) == [0, 1]


@pytest.mark.parametrize("stream", [False, True])
async def test_one_that_fails_ends_the_batch(stream: bool) -> None:
    """The others are aborted on their runtimes, and the workflow fails with the reason."""
    async with api_stack(("r0", "r1")) as api:
        bad, good = api.workers
        bad.failure, bad.stalls = Failure("invalid_request", "the grammar is broken"), True
        bad.go.clear()
        good.go.clear()
        work = asyncio.create_task(api.generate(text=["one", "two"], stream=stream))
        await reached(lambda: bool(bad.requests and good.requests))
        bad.go.set()
        response = await work
        error = (
            events(response.text)[-2][1]["error"] if response.status_code == 200 else response.json()["error"]
        )
        assert error["message"] == "the grammar is broken"
        assert good.aborted == [good.requests[0].rid]
        await reached(lambda: api.latest(1)[0].state == "failed")
        failure = api.latest(1)[0].failure
        assert failure is not None
        assert failure.code == "invalid_request"


async def test_one_call_of_a_batch_can_be_aborted_by_its_name() -> None:
    """It ends the batch like a failure of that call."""
    async with api_stack() as api:
        api.worker.go.clear()
        work = asyncio.create_task(api.generate(text=["one", "two"], rid="job"))
        await reached(lambda: len(api.worker.requests) == 2)
        found = await api.client.post("/abort_request", json={"rid": "job_1"})
        assert found.json()["found"] is True
        assert (await work).status_code == 499
        assert len(api.worker.aborted) == 2


async def test_nothing_of_a_batch_is_queued_if_one_prompt_is_too_long() -> None:
    """All calls are checked before the first is accepted."""
    async with api_stack() as api:
        response = await api.generate(text=None, input_ids=[[1], [1] * 600])
        assert (response.status_code, response.json()["error"]["field"]) == (400, "input_ids")
        assert not api.worker.requests
        assert not api.latest(10)


# --- log probabilities ------------------------------------------------------------------------------


async def test_log_probabilities_are_asked_of_the_runtime_and_returned_in_sglangs_form() -> None:
    """The fields travel as they are; the lists come back in meta_info, with nothing added."""
    async with api_stack() as api:
        response = await api.generate(
            text=None,
            input_ids=[7, 8, 9],
            return_logprob=True,
            logprob_start_len=1,
            top_logprobs_num=2,
            token_ids_logprob=[5],
            return_text_in_logprobs=True,
        )
        assert api.worker.requests[0].logprobs == {
            "return_logprob": True,
            "logprob_start_len": 1,
            "top_logprobs_num": 2,
            "token_ids_logprob": [5],
            "return_text_in_logprobs": True,
        }
        meta = response.json()["meta_info"]
        assert meta["input_token_logprobs"] == [[None, 8, None], [None, 9, None]]
        assert meta["output_token_logprobs"] == [[-1.0, 100, None], [-1.01, 101, None], [-1.02, 102, None]]
        assert meta["output_top_logprobs"][0] == [[-1.0, 100, None], [-2.0, 101, None]]


async def test_without_return_logprob_nothing_is_asked_for() -> None:
    """The other fields alone have no effect, as in SGLang."""
    async with api_stack() as api:
        response = await api.generate(top_logprobs_num=2, logprob_start_len=0)
        assert api.worker.requests[0].logprobs == {}
        assert "output_token_logprobs" not in response.json()["meta_info"]


async def test_a_streams_log_probabilities_grow_with_its_output() -> None:
    """Each event has those of all of its tokens so far, and those of the prompt."""
    async with api_stack() as api:
        response = await api.generate(
            text=None,
            input_ids=[7, 8],
            stream=True,
            return_logprob=True,
            logprob_start_len=0,
            top_logprobs_num=1,
        )
        parts = [data["meta_info"] for _, data in events(response.text)[:-1]]
        assert [len(meta["output_token_logprobs"]) for meta in parts] == [1, 2, 3, 3]
        assert [len(meta["output_top_logprobs"]) for meta in parts] == [1, 2, 3, 3]
        assert [meta["completion_tokens"] for meta in parts] == [1, 2, 3, 3]
        assert {str(meta["input_token_logprobs"]) for meta in parts} == {"[[None, 7, None], [None, 8, None]]"}
        assert [meta.get("output_token_logprobs_length") for meta in parts[:3]] == [1, 2, 3]


# --- priority ---------------------------------------------------------------------------------------


async def _order(api: Api, priorities: list[int]) -> list[int]:
    """Return the priorities of calls in the order in which they were sent, the first one's place taken."""
    api.worker.stalls = True
    api.worker.go.clear()
    work = [asyncio.create_task(api.generate())]
    await reached(lambda: len(api.worker.requests) == 1)
    for priority in priorities:
        work.append(asyncio.create_task(api.generate(priority=priority)))
        await reached(lambda: api.controller.calls_in_flight == len(work))
    api.worker.go.set()
    for answer in work:
        assert (await answer).status_code == 200
    return [request.priority for request in api.worker.requests[1:]]


async def test_the_larger_priority_is_sent_first_and_equals_keep_their_order() -> None:
    """It goes before the policy's key, among the calls that are held back, and travels to the runtime."""
    async with api_stack(window_tokens=3) as api:
        assert await _order(api, [0, -1, 2, 0, 7]) == [7, 2, 0, 0, -1]


async def test_the_bounds_of_priority_are_allowed() -> None:
    """Those of a signed int32; the smallest is sent last."""
    async with api_stack(window_tokens=3) as api:
        assert await _order(api, [-(2**31), 0, 2**31 - 1]) == [2**31 - 1, 0, -(2**31)]


async def test_the_decision_says_the_priority() -> None:
    """A client sees what counted."""
    async with api_stack() as api:
        answer: dict[str, Any] = (await api.generate(priority=5)).json()
        assert answer["meta_info"]["sluice"]["decision"]["priority"] == 5
