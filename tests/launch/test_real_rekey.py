"""A deadline that changes reaches a call that already waits in SGLang's own queue."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.launch.real_server import RealServer, eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

RELAXED_PER_RUNTIME = 8
RELAXED_TOKENS = 640
"""Long enough that most still wait when the news of the last one has come back, on a fast machine, too."""


def _generate(server: RealServer, name: str, slo_seconds: float, tokens: int) -> float:
    """Run a call as the workflow ``name``; return when it had ended."""
    body = {
        "text": f"call {name} " * 20,
        "sampling_params": {"max_new_tokens": tokens, "ignore_eos": True},
        "workflow": {"id": name, "stage": "probe", "slo_seconds": slo_seconds, "last": True},
    }
    with server.client() as client:
        answer = client.post("/generate", json=body)
    assert answer.status_code == 200, answer.text
    return time.monotonic()


def _call(server: RealServer, name: str) -> dict[str, Any]:
    with server.client() as client:
        workflow = client.get(f"/v1/workflows/{name}")
    timeline = workflow.json()["timeline"] if workflow.is_success else []
    return dict(timeline[0]) if timeline else {"state": "unknown"}


def _waiting(server: RealServer) -> int:
    return sum(worker["waiting"] or 0 for worker in server.workers())


def _overtakes(server: RealServer, case: str, new_slo_seconds: float | None) -> tuple[int, dict[str, Any]]:
    """Queue a call behind others in SGLang, then perhaps give its workflow another deadline.

    Return how many of the others it overtook, and its line in the timeline.
    """
    assert eventually(server.idle, 20.0), server.workers()
    runtimes = len(server.workers())
    relaxed = [f"{case}-{number}" for number in range(RELAXED_PER_RUNTIME * runtimes)]
    last = f"{case}-last"
    with ThreadPoolExecutor(len(relaxed) + 1) as pool:
        ended = {name: pool.submit(_generate, server, name, 600.0, RELAXED_TOKENS) for name in relaxed}
        assert eventually(lambda: _waiting(server) >= 4 * runtimes, 20.0), server.workers()
        before = _waiting(server)
        # A day: a call is due at its share of it, and what follows such calls was learned from other tests.
        ended[last] = pool.submit(_generate, server, last, 86_400.0, 4)
        assert eventually(lambda: _call(server, last)["state"] == "dispatched", 5.0)
        assert eventually(lambda: _waiting(server) != before, 10.0), "SGLang doesn't have it"
        if new_slo_seconds is not None:
            with server.client() as client:
                answer = client.patch(f"/v1/workflows/{last}", json={"slo_seconds": new_slo_seconds})
            assert answer.status_code == 200, answer.text
        times = {name: future.result() for name, future in ended.items()}
    calls = {name: _call(server, name) for name in ended}
    assert all(call["waited_seconds"] < 0.5 for call in calls.values()), "held by the controller"
    where = calls[last]["runtime"]
    overtaken = sum(times[name] > times[last] and calls[name]["runtime"] == where for name in relaxed)
    for name in sorted(times, key=times.__getitem__):  # shown when a test fails
        print(f"{times[name]:.3f}", name, calls[name]["runtime"], calls[name]["decision"])
    return overtaken, calls[last]


def test_a_call_in_sglangs_queue_takes_the_place_of_its_new_deadline(pair: RealServer) -> None:
    """The last one in the queue, given the nearest deadline by PATCH, runs before those ahead of it."""
    overtaken, call = _overtakes(pair, "patched", 1.0)
    assert (call["rekeys"], call["attempts"]) == (1, 1)
    # Its runtime may be the slower one, with few of the calls; without PATCH it overtakes one at the most.
    assert overtaken >= 2


def test_without_another_deadline_it_keeps_its_place(pair: RealServer) -> None:
    """The same call without PATCH overtakes no more than one that ended beside it."""
    overtaken, call = _overtakes(pair, "unpatched", None)
    assert (call["rekeys"], call["attempts"]) == (0, 1)
    assert overtaken <= 1
