"""The whole system on real SGLang runtimes: workflows, disconnects, what is proved and learned."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.real.real_server import RealServer
from tests.waiting import GUARD_SECONDS, eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


def test_twelve_concurrent_workflows(pair: RealServer) -> None:
    """12 questions at once all end well; calls run once, on both runtimes, with prefixes from the cache."""

    def ask(number: int) -> dict[str, Any]:
        body = {"question": f"How many orders were placed in month {number}?", "database": "shop"}
        with pair.client() as client:
            answer = client.post("/v1/text2sql", json=body | {"slo_seconds": 3600})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(12)))

    assert len({answer["workflow_id"] for answer in answers}) == 12
    calls = [step for answer in answers for step in answer["timeline"] if step["kind"] == "call"]
    assert all(call["attempts"] == 1 for call in calls)
    assert {call["state"] for call in calls} <= {"finished", "cancelled"}
    for answer in answers:
        assert answer["status"] in ("ok", "empty")
        assert answer["deadline_met"] is True
        stages = Counter(step["stage"] for step in answer["timeline"] if step["kind"] == "call")
        assert stages["schema_linking"] == 1
        assert stages["generate_candidate"] == 3
        assert stages["information_retrieval"] == 4
        assert stages["unit_tester"] in (0, 3)
        statements = [step for step in answer["timeline"] if step["kind"] == "sql"]
        # Whether a candidate's statement still runs when the others are enough depends on the machine.
        assert {step["state"] for step in statements} <= {"finished", "cancelled"}, statements
        assert answer["sql"] in {step["statement"] for step in statements}
    finished = [call for call in calls if call["state"] == "finished"]
    assert {call["runtime"] for call in finished} == {"cpu-0", "cpu-1"}
    # The demo model's prompts begin with the question, so that a question's calls share their beginning.
    shared = [call for call in finished if call["cached_tokens"] > call["prompt_tokens"] / 2]
    assert len(shared) > len(finished) / 3


def test_hook_is_shown_to_be_live(pair: RealServer) -> None:
    """``/workers`` shows, for each runtime, the order in which its scheduler process sorted the proof."""
    for worker in pair.workers():
        assert worker["hook_live"] is True
        assert worker["hook_proof"][-1] == "proof-late"
        assert worker["simulated"] is False
        assert worker["scheduler_steps"] > 0


def test_disconnect_ends_the_call_on_the_runtime(pair: RealServer) -> None:
    """A client that leaves a stream or an unanswered request leaves no request running in SGLang."""
    body: dict[str, Any] = {
        "text": "a long answer",
        "sampling_params": {"max_new_tokens": 4000, "ignore_eos": True},
    }

    def running() -> bool:
        return sum(worker["running"] or 0 for worker in pair.workers()) == 1

    assert eventually(pair.idle)
    # Paced, 4,000 tokens take half an hour: only an abort empties the runtimes.
    with pair.gate.paced(0.5):
        stream = body | {"stream": True}
        with pair.client() as client, client.stream("POST", "/generate", json=stream) as response:
            lines = response.iter_lines()  # the connection ends with it
            next(lines)
            assert eventually(running), pair.workers()
        assert eventually(pair.idle), pair.workers()
        with closing(HTTPConnection("127.0.0.1", pair.port, timeout=GUARD_SECONDS)) as connection:
            headers = {"content-type": "application/json"}
            connection.request("POST", "/generate", body=json.dumps(body), headers=headers)
            assert eventually(running), pair.workers()
        assert eventually(pair.idle), pair.workers()


def test_runtimes_are_measured_and_learned_from_their_passes(pair: RealServer) -> None:
    """Both were calibrated at their start, tell their forward passes under load, and are predicted."""
    with pair.client() as client:
        client.post("/v1/text2sql", json={"question": "How many customers are there?", "database": "shop"})

        def learned() -> bool:
            workers = client.get("/workers").json()["workers"]
            return all(w["speed"]["passes"] > 0 for w in workers)

        assert eventually(learned)
        workers = client.get("/workers").json()["workers"]
    for worker in workers:
        assert worker["calibrated"], "SGLang told its forward passes at the start"
        speed = worker["speed"]
        assert 0 < speed["prefill"] < speed["decode"] < 1.0, "a token's prefill is less than a step"
        assert 0 <= speed["hidden"] <= 1
        assert worker["prediction_errors"]["service_seconds"]["predictions"] > 0
