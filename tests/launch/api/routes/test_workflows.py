"""What is shown of workflows that ended, and of a journal that can't be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.controller.journal.journal import RETRY_SECONDS, Journal
from sched.clock import ManualClock
from tests.launch.api.api_stack import Api, api_stack
from tests.waiting import reached


async def _ended(api: Api, name: str) -> None:
    assert (await api.generate(workflow={"id": name, "last": True})).status_code == 200


async def test_an_expired_workflow_is_told_from_an_unknown_one() -> None:
    """Both are 404; the first names the settings that keep more."""
    async with api_stack(kept_bytes=1500) as api:
        for name in ("first", "second"):
            await _ended(api, name)
        assert (await api.client.get("/v1/workflows/second")).status_code == 200
        for call in (api.client.get, api.client.delete):
            expired = await call("/v1/workflows/first")
            assert expired.status_code == 404
            assert "has ended and expired" in expired.json()["error"]["message"]
            assert "--kept-bytes" in expired.json()["error"]["message"]
        unknown = await api.client.get("/v1/workflows/third")
        assert unknown.status_code == 404
        assert "there is no workflow 'third'" in unknown.json()["error"]["message"]
        listed = (await api.client.get("/v1/workflows")).json()["workflows"]
        assert [workflow["workflow_id"] for workflow in listed] == ["second"]


async def test_a_workflow_that_left_memory_is_shown_from_the_journal(tmp_path: Path) -> None:
    """As it was."""
    async with api_stack(journal=Journal(tmp_path / "journal")) as api:
        await _ended(api, "first")
        before = (await api.client.get("/v1/workflows/first")).json()
    async with api_stack(journal=Journal(tmp_path / "journal"), kept_bytes=0) as api:
        assert (await api.client.get("/v1/workflows/first")).json() == before
        assert (await api.client.get("/v1/workflows")).json() == {"workflows": []}
        assert (await api.client.delete("/v1/workflows/first")).status_code == 409


async def test_an_agents_workflow_that_falls_silent_is_ended() -> None:
    """Its last call never came; a call that comes later begins another workflow of the same id."""
    clock = ManualClock(100.0)
    async with api_stack(clock=clock, workflow_ttl_seconds=30.0) as api:
        assert (await api.generate(workflow={"id": "agent"})).status_code == 200
        (record,) = api.latest(9)
        clock.advance(30.5)
        await reached(lambda: record.state == "cancelled")
        shown = (await api.client.get("/v1/workflows/agent")).json()
        assert (shown["error"]["code"], shown["calls"]) == ("timeout", 1)
        await _ended(api, "agent")
        assert (await api.client.get("/v1/workflows/agent")).json()["state"] == "finished"


READY = {"status": "ok", "degraded": False, "missing": []}


async def test_a_failing_journal_is_said_and_nothing_else_fails(tmp_path: Path) -> None:
    """Readiness stays 200 with the reason; the metrics have it; both take it back."""
    path = tmp_path / "gone" / "journal"
    clock = ManualClock(100.0)
    async with api_stack(journal=Journal(path), clock=clock) as api:
        ready = await api.client.get("/readiness")
        assert ready.status_code == 200
        assert ready.json() == {
            "status": "ok",
            "degraded": False,
            "missing": [],
            "journal": {"state": "failing", "reason": "No such file or directory"},
        }
        await _ended(api, "first")
        metrics = (await api.client.get("/metrics")).text
        assert "sluice_journal_failing 1.0" in metrics
        assert "sluice_journal_unwritten_workflows 1.0" in metrics
        assert "sluice_kept_workflows 1.0" in metrics
        path.parent.mkdir()

        def recovered() -> bool:
            clock.advance(RETRY_SECONDS)
            return api.controller.records.journal_trouble is None

        await reached(recovered)
        assert (await api.client.get("/readiness")).json() == READY
        metrics = (await api.client.get("/metrics")).text
        assert "sluice_journal_failing 0.0" in metrics
        assert f"sluice_journal_bytes {float(path.stat().st_size)}" in metrics


@pytest.mark.parametrize("journal", [None, "journal"])
async def test_readiness_says_nothing_of_a_journal_that_works(tmp_path: Path, journal: str | None) -> None:
    """Nor of one that isn't there."""
    async with api_stack(journal=Journal(tmp_path / journal) if journal else None) as api:
        assert (await api.client.get("/readiness")).json() == READY
