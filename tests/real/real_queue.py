"""Calls that wait in SGLang's own queue behind the gate, and the order in which SGLang begins them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.real.real_server import RealServer
from tests.waiting import GUARD_SECONDS, eventually

RELAXED = 12
LAST_TOKENS = 4
"""The last call's length, by which it is known inside SGLang; the others are longer, each by its own."""
DAY = 86_400.0


def _generate(server: RealServer, name: str, tokens: int, slo_seconds: float, **body: Any) -> dict[str, Any]:
    """Run a call as the workflow ``name`` and return its answer."""
    body |= {
        "text": f"call {name} " * 20,
        "sampling_params": {"max_new_tokens": tokens, "ignore_eos": True},
        "workflow": {"id": name, "stage": "probe", "slo_seconds": slo_seconds, "last": True},
    }
    with server.client() as client:
        return dict(client.post("/generate", json=body).raise_for_status().json())


def _call(server: RealServer, name: str) -> dict[str, Any]:
    """Return the first call of the workflow ``name`` as the server shows it."""
    with server.client() as client:
        return dict(client.get(f"/v1/workflows/{name}").raise_for_status().json()["timeline"][0])


def begun_order(
    server: RealServer, case: str, slo_seconds: float, patched: float | None = None, **body: Any
) -> tuple[list[int], dict[str, Any]]:
    """Queue ``RELAXED`` calls in SGLang, then one more, perhaps with a deadline that changes there.

    Return the lengths of the calls on the last one's runtime in the order in which SGLang began them, and the
    last one as the timeline shows it.
    """
    assert eventually(server.idle), server.workers()
    last = f"{case}-last"
    with ThreadPoolExecutor(RELAXED + 1) as pool:
        with server.gate.held():
            calls = [
                pool.submit(_generate, server, f"{case}-{number}", LAST_TOKENS + 1 + number, 3600.0)
                for number in range(RELAXED)
            ]
            server.gate.until_received(RELAXED)
            calls.append(pool.submit(_generate, server, last, LAST_TOKENS, slo_seconds, **body))
            server.gate.until_received(RELAXED + 1)
            if patched is not None:
                with server.client() as client:
                    client.patch(f"/v1/workflows/{last}", json={"slo_seconds": patched}).raise_for_status()
                server.gate.until(lambda seen: sum(one.new_keys for one in seen) == 1)
        for call in calls:
            call.result(GUARD_SECONDS)
    (order,) = (list(one.admitted) for one in server.gate.seen() if LAST_TOKENS in one.admitted)
    return order, _call(server, last)
