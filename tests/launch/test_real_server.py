"""The whole system on real SGLang runtimes: workflows, the order inside SGLang, disconnects, the end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.launch.real_server import CROWDED, RealServer, eventually, real_server

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def fcfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """One real runtime under ``fcfs``."""
    folder = tmp_path_factory.mktemp("fcfs")
    with real_server(folder, "--cpu-slots", "1", "--ordering", "fcfs", *CROWDED) as server:
        yield server


def test_twelve_concurrent_workflows(pair: RealServer) -> None:
    """12 questions at once all end well; calls run once, on both runtimes, with prefixes from the cache."""

    def ask(number: int) -> dict[str, Any]:
        body = {"question": f"How many orders were placed in month {number}?", "database": "shop"}
        with pair.client() as client:
            answer = client.post("/v1/text2sql", json=body | {"slo_seconds": 120})
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
        assert all(step["error"] is None for step in statements)
        assert answer["sql"] in {step["statement"] for step in statements}
    finished = [call for call in calls if call["state"] == "finished"]
    assert {call["runtime"] for call in finished} == {"cpu-0", "cpu-1"}
    # The demo model's prompts begin with the question, so that a question's calls share their beginning.
    shared = [call for call in finished if call["cached_tokens"] > call["prompt_tokens"] / 2]
    assert len(shared) > len(finished) / 3


def _overtakes(server: RealServer) -> tuple[int, int]:
    """Send relaxed calls, then an urgent one.

    Return how many of the relaxed ones on its runtime it overtook, and how many of them had yet to end when
    it was sent: a runtime that is measured as faster has more.  All of them are on their runtime before: what
    it overtakes waited in SGLang.
    """
    ended: dict[str, float] = {}
    lock = threading.Lock()

    def generate(name: str, slo_seconds: float, tokens: int) -> dict[str, Any]:
        body = {
            "text": f"call {name} " * 20,
            "sampling_params": {"max_new_tokens": tokens, "ignore_eos": True},
            "workflow": {"id": name, "stage": "probe", "slo_seconds": slo_seconds, "last": True},
        }
        with server.client() as client:
            answer = client.post("/generate", json=body)
        with lock:
            ended[name] = time.monotonic()
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    runtimes = len(server.workers())
    relaxed = [f"relaxed-{number}" for number in range(12 * runtimes)]
    with ThreadPoolExecutor(len(relaxed) + 1) as pool:
        answers = [pool.submit(generate, name, 600.0, 384) for name in relaxed]

        def all_in_sglang() -> bool:
            return sum(worker["waiting"] or 0 for worker in server.workers()) >= 4 * runtimes

        assert eventually(all_in_sglang, 20.0), server.workers()
        sent = time.monotonic()
        urgent = pool.submit(generate, "urgent", 1.0, 4).result()
        for answer in answers:
            answer.result()
    where = urgent["meta_info"]["sluice"]["runtime"]
    with server.client() as client:
        places = {
            name: client.get(f"/v1/workflows/{name}").raise_for_status().json()["timeline"][0]
            for name in relaxed
        }
    assert all(place["waited_seconds"] < 0.5 for place in places.values()), "held by the controller"
    beside = [ended[name] for name, place in places.items() if place["runtime"] == where]
    return sum(end > ended["urgent"] for end in beside), sum(end > sent for end in beside)


def test_urgency_reorders_the_queue_inside_sglang(pair: RealServer) -> None:
    """A late urgent call overtakes calls that already wait in the runtime's own queue."""
    overtaken, pending = _overtakes(pair)
    # Two run and two more may have begun before it came.
    assert overtaken >= max(2, pending - 4)


def test_fcfs_keeps_the_order_inside_sglang(fcfs: RealServer) -> None:
    """With ``fcfs`` the same late call overtakes no more than the ones that were running beside it."""
    overtaken, pending = _overtakes(fcfs)
    assert pending >= 6
    assert overtaken <= 1


def test_hook_is_shown_to_be_live(pair: RealServer) -> None:
    """``/workers`` shows, for each runtime, the order in which its scheduler process sorted the proof."""
    for worker in pair.workers():
        assert worker["hook_live"] is True
        assert worker["hook_proof"][-1] == "proof-late"
        assert worker["simulated"] is False
        assert worker["scheduler_steps"] > 0


def test_disconnect_ends_the_call_on_the_runtime(pair: RealServer) -> None:
    """A client that leaves a stream or an unanswered request leaves no request running in SGLang."""

    def idle() -> bool:
        return all(not worker["running"] and not worker["waiting"] for worker in pair.workers())

    assert eventually(idle, 10.0)
    body: dict[str, Any] = {
        "text": "a long answer",
        "sampling_params": {"max_new_tokens": 4000, "ignore_eos": True},
        "stream": True,
    }
    with pair.client() as client, client.stream("POST", "/generate", json=body) as response:
        next(response.iter_lines())
    with pair.client() as client, pytest.raises(Exception, match="timed out"):
        client.post("/generate", json=body | {"stream": False}, timeout=1.0)
    # 4,000 tokens take most of a minute: only an abort empties the runtimes so soon.
    assert eventually(idle, 10.0), pair.workers()


def test_shutdown_leaves_nothing(fcfs: RealServer) -> None:
    """SIGTERM ends the server with exit code 0; no process, socket or temporary file is left."""
    assert len(fcfs.family) >= 5  # launcher, controller, worker, SGLang's scheduler and detokenizer
    assert fcfs.stop() == 0
    assert eventually(lambda: not fcfs.survivors(), 5.0), fcfs.survivors()
    assert list(fcfs.temporary.rglob("*")) == []


def test_runtimes_are_measured_and_learned_from_their_passes(pair: RealServer) -> None:
    """Both were calibrated at their start, tell their forward passes under load, and are predicted."""
    with pair.client() as client:
        client.post("/v1/text2sql", json={"question": "How many customers are there?", "database": "shop"})

        def learned() -> bool:
            workers = client.get("/workers").json()["workers"]
            return all(w["speed"]["passes"] > 0 for w in workers)

        assert eventually(learned, 20.0)
        workers = client.get("/workers").json()["workers"]
    for worker in workers:
        assert worker["calibrated"], "SGLang told its forward passes at the start"
        speed = worker["speed"]
        assert 0 < speed["prefill"] < speed["decode"] < 1.0, "a token's prefill is less than a step"
        assert 0 <= speed["hidden"] <= 1
        assert worker["prediction_errors"]["service_seconds"]["predictions"] > 0
