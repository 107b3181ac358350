"""Health, readiness and what the server says of itself."""

from __future__ import annotations

from tests.launch.api.api_stack import MODEL_INFO, api_stack
from tests.waiting import reached


async def test_without_a_runtime_the_process_lives_but_is_not_healthy() -> None:
    """503 with Retry-After says why, for probes and for calls alike."""
    async with api_stack(up=0) as api:
        assert (await api.client.get("/liveness")).status_code == 200
        for response in (await api.client.get("/health"), await api.generate()):
            assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
            assert response.headers["retry-after"] == "2"


async def test_a_server_is_ready_while_a_runtime_serves_and_names_the_missing() -> None:
    """A probe must not cut off the runtime that lives; without any the server isn't ready."""
    async with api_stack(("fast", "slow"), up=0) as api:
        none = await api.client.get("/readiness")
        assert (none.status_code, none.headers["retry-after"]) == (503, "2")
        assert none.json()["error"]["message"] == "not up: runtime fast, slow"
        for up, missing in (("fast", ["slow"]), ("slow", [])):
            (worker,) = (one for one in api.workers if one.name == up)
            worker.hello()
            await reached(lambda: api.controller.workers.get(up) is not None)  # noqa: B023
            answer = await api.client.get("/readiness")
            assert answer.status_code == 200
            assert answer.json() == {"status": "ok", "degraded": bool(missing), "missing": missing}


async def test_a_draining_server_is_alive_and_not_ready() -> None:
    """Readiness fails first; new work is refused with 503; what reads still works."""
    async with api_stack() as api:
        assert (await api.client.get("/readiness")).status_code == 200
        api.controller.draining = True
        readiness = await api.client.get("/readiness")
        assert (readiness.status_code, readiness.json()["error"]["message"]) == (
            503,
            "the server is shutting down",
        )
        assert (await api.client.get("/health")).status_code == 200
        assert (await api.generate()).status_code == 503
        asked = await api.client.post("/v1/text2sql", json={"question": "How many?", "stream": True})
        assert asked.status_code == 503


async def test_workers_shows_every_expected_runtime_and_the_proof_of_its_order() -> None:
    """A runtime that has not come is shown as missing."""
    async with api_stack(("fast", "slow"), up=1) as api:
        answer = (await api.client.get("/workers")).json()
        assert answer["total"] == 2
        fast, slow = answer["workers"]
        assert (fast["name"], fast["status"], fast["hook_live"]) == ("fast", "ready", True)
        assert slow == {"name": "slow", "status": "missing"}


async def test_model_info_is_served_under_both_of_sglangs_paths() -> None:
    """SGLang renamed it; clients use either."""
    async with api_stack() as api:
        for path in ("/get_model_info", "/model_info"):
            assert (await api.client.get(path)).json() == MODEL_INFO
