"""SGLang's native API on real runtimes: batches, log probabilities, the server itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.real.real_server import RealServer
from tests.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

GREEDY = {"temperature": 0, "max_new_tokens": 6, "ignore_eos": True, "skip_special_tokens": False}


def generate(server: RealServer, **body: Any) -> Any:
    with server.client() as client:
        return client.post("/generate", json={"sampling_params": GREEDY} | body).raise_for_status().json()


@contextmanager
def full(server: RealServer) -> Iterator[None]:
    """Keep both runtimes full, with calls waiting in SGLang's own queues (a runtime has 2 slots).

    They go on, so slowly that no call ends meanwhile.
    """
    assert eventually(server.idle)
    body = {"text": "a long answer " * 10, "sampling_params": {"max_new_tokens": 2000, "ignore_eos": True}}

    def call() -> int:
        with server.client() as client:
            return client.post("/generate", json=body).status_code

    def is_full() -> bool:
        return all(w["running"] == 2 and (w["waiting"] or 0) >= 1 for w in server.workers())

    with ThreadPoolExecutor(10) as pool, server.client() as client, server.gate.paced():
        calls = [pool.submit(call) for _ in range(10)]
        try:
            assert eventually(is_full), server.workers()
            yield
        finally:
            client.post("/abort_request", json={"rid": "", "abort_all": True})
        assert {future.result() for future in calls} == {499}
    assert eventually(server.idle), server.workers()


# --- batches and log probabilities ------------------------------------------------------------------


def test_a_batch_runs_on_both_runtimes_and_its_samples_agree(pair: RealServer) -> None:
    """Greedy samples of a prompt are equal, whichever runtime made them; answers stand in order."""
    texts = ["SELECT name FROM customers", "SELECT total FROM orders WHERE"]
    answers = generate(pair, text=texts, sampling_params=GREEDY | {"n": 2}, rid="batch")
    assert [answer["meta_info"]["id"] for answer in answers] == [f"batch_{i}" for i in range(4)]
    first, again, second, twice = (answer["output_ids"] for answer in answers)
    assert first == again
    assert second == twice
    assert first == generate(pair, text=texts[0])["output_ids"]
    assert {answer["meta_info"]["sluice"]["runtime"] for answer in answers} == {"cpu-0", "cpu-1"}
    assert len({answer["meta_info"]["sluice"]["workflow_id"] for answer in answers}) == 1


def test_log_probabilities_are_those_of_the_tokens(pair: RealServer) -> None:
    """Greedy output is the top token at each place; input ones start where asked; streams end alike."""
    body = {
        "text": "SELECT name FROM customers",
        "return_logprob": True,
        "logprob_start_len": 1,
        "top_logprobs_num": 2,
        "token_ids_logprob": [5, 6],
        "return_text_in_logprobs": True,
    }
    answer = generate(pair, **body)
    meta = answer["meta_info"]
    assert [token for _, token, _ in meta["output_token_logprobs"]] == answer["output_ids"]
    assert meta["output_token_logprobs_length"] == len(answer["output_ids"])
    for own, top, asked in zip(
        meta["output_token_logprobs"],
        meta["output_top_logprobs"],
        meta["output_token_ids_logprobs"],
        strict=True,
    ):
        assert own == top[0]
        assert 0 > top[0][0] >= top[1][0]
        assert [token for _, token, _ in asked] == [5, 6]
    assert "".join(text for _, _, text in meta["output_token_logprobs"]) == answer["text"]
    assert len(meta["input_token_logprobs"]) == meta["prompt_tokens"] - 1
    assert meta["input_token_logprobs"][0][0] is None
    with pair.client() as client:
        request = {"sampling_params": GREEDY, "stream": True} | body
        lines = client.post("/generate", json=request).raise_for_status().text.split("\n\n")
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line and "[DONE]" not in line]
    for event in events:
        grown = event["meta_info"]
        assert len(grown["output_token_logprobs"]) == len(event["output_ids"])
        assert [entry[1] for entry in grown["output_token_logprobs"]] == event["output_ids"]
        assert len(grown["input_token_logprobs"]) == grown["prompt_tokens"] - 1
    assert events[-1]["output_ids"] == answer["output_ids"]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"input_ids": [3, 1_000_000]}, "input_ids"),
        ({"text": "a", "return_logprob": True, "top_logprobs_num": 5000}, "top_logprobs_num"),
        ({"text": "a", "return_logprob": True, "token_ids_logprob": [1_000_000]}, "token_ids_logprob"),
    ],
)
def test_what_would_kill_a_runtime_is_refused(pair: RealServer, body: dict[str, Any], names: str) -> None:
    """Ids and counts over the vocabulary are a client's error; the runtimes live on."""
    before = [worker["pid"] for worker in pair.workers()]
    with pair.client() as client:
        response = client.post("/generate", json=body | {"sampling_params": GREEDY})
    assert response.status_code == 400
    assert names in response.json()["error"]["message"]
    assert generate(pair, text="SELECT")["meta_info"]["finish_reason"]["type"] == "length"
    assert [worker["pid"] for worker in pair.workers()] == before


# --- the server itself ------------------------------------------------------------------------------


def test_health_generate_makes_a_token_on_each_runtime(pair: RealServer) -> None:
    """Idle runtimes generate it; full ones prove by going on, though the token would have to wait."""
    assert eventually(pair.idle)
    with pair.client() as client:
        calm = client.get("/health_generate").raise_for_status().json()["runtimes"]
        assert set(calm) == {"cpu-0", "cpu-1"}
        assert all(state["generated"] for state in calm.values())
        with full(pair):
            busy = client.get("/health_generate").raise_for_status().json()["runtimes"]
            assert set(busy) == {"cpu-0", "cpu-1"}


def test_flush_empties_the_radix_caches_and_is_refused_under_load(pair: RealServer) -> None:
    """After it a prompt is computed anew, and predicted so; while calls run nothing is flushed."""
    text = "the same long prompt over and over " * 20

    def cached() -> tuple[int, int]:
        answer = generate(pair, text=text)["meta_info"]
        return answer["cached_tokens"], answer["sluice"]["decision"]["predicted_cached_tokens"]

    with pair.client() as client:
        with full(pair):
            assert client.post("/flush_cache").status_code == 409
        client.post("/flush_cache", params={"timeout": 20}).raise_for_status()
        assert cached() == (0, 0)
        warm, predicted = cached()
        assert warm > 100
        assert predicted > 0
        client.post("/flush_cache").raise_for_status()
        assert cached() == (0, 0)


def test_loads_and_server_info_have_sglangs_fields(pair: RealServer) -> None:
    """What routers and benchmarks read is there, for each runtime."""
    with pair.client() as client, full(pair):
        loads = client.get("/v1/loads").raise_for_status().json()["loads"]
        assert [load["dp_rank"] for load in loads] == [0, 1]
        assert all(load["num_running_reqs"] == 2 and load["num_waiting_reqs"] >= 1 for load in loads)
        assert all(load["max_running_requests"] == 2 and load["max_total_num_tokens"] > 0 for load in loads)
        old = client.get("/get_load").raise_for_status().json()
        assert all(load["num_reqs"] >= 3 for load in old)
    with pair.client() as client:
        info = client.get("/server_info").raise_for_status().json()
    assert info["max_total_num_tokens"] == sum(worker["max_total_tokens"] for worker in info["workers"])
    assert {state["runtime"] for state in info["internal_states"]} == {"cpu-0", "cpu-1"}
    assert all("last_gen_throughput" in state for state in info["internal_states"])
    assert info["schedule_policy"] == "fcfs"
    assert not [name for name in info if "api_key" in name or "password" in name]


def test_abort_all_empties_the_runtimes(pair: RealServer) -> None:
    """Running and waiting calls end at once: each client is told, and no runtime goes on."""
    with full(pair):
        assert not pair.idle()
    assert pair.idle()


def test_no_stop_pattern_holds_the_runtime(pair: RealServer) -> None:
    """Python would match this one in a time that doubles with each token."""
    asked = {"stop_regex": "(a|a)+b", "regex": "a{64}c", "max_new_tokens": 100, "temperature": 0}
    answer = generate(pair, text="a", sampling_params=asked)
    assert answer["text"] == "a" * 64 + "c"
    assert generate(pair, text="a", sampling_params=asked | {"stop_regex": "a{9}"})["text"] == "a" * 9
