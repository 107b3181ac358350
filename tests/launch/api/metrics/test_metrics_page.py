"""``/metrics``: what it counts agrees with what happened, and no label grows with the clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.controller.worker_commands import GRACE_SECONDS
from launch.api.metrics.counters import MAX_STAGES
from launch.api.metrics.metrics_page import SCRAPE_SECONDS
from sched.errors import Failure
from tests.launch.api.api_stack import Api, ManualLimits, api_stack
from tests.launch.api.openai.openai_stack import QUESTION, openai_app
from tests.waiting import reached

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]

TOKEN_TYPES = ("prompt", "cached", "output")
RUNTIMES = ("fast", "slow")
SGLANG = """# HELP sglang:num_running_reqs Requests that run.
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{{runtime="{0}",tp_rank="0"}} {1}
# HELP sglang:e2e_seconds Histogram.
# TYPE sglang:e2e_seconds histogram
sglang:e2e_seconds_bucket{{le="+Inf",runtime="{0}"}} {1}
sglang:e2e_seconds_count{{runtime="{0}"}} {1}
sglang:e2e_seconds_sum{{runtime="{0}"}} 0.5
"""


@asynccontextmanager
async def stack(*runtimes: str, **options: Any) -> AsyncIterator[Api]:
    """Yield an API whose runtimes tell no metrics of SGLang's, unless a test sets them."""
    async with api_stack(runtimes or ("r0",), **options) as api:
        for worker in api.workers:
            worker.answers["metrics"] = ""
        yield api


async def scrape(api: Api) -> Samples:
    """Return every sample of the page by name and labels; a name or series that stands twice is an error."""
    response = await api.client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(response.text))
    assert len({family.name for family in families}) == len(families)
    samples = [sample for family in families for sample in family.samples]
    found = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, tuple(sorted(labels.items()))), 0.0)


async def test_calls_and_workflows_are_counted_by_stage_and_outcome() -> None:
    """Calls, their tokens and times, placements and deadlines agree with what was asked."""
    async with stack("fast", "slow") as api:
        for _ in range(3):
            assert (await api.generate(workflow={"stage": "draft"})).status_code == 200
        late = await api.generate(workflow={"stage": "draft", "slo_seconds": 1e-6})
        assert late.status_code == 200
        assert (await api.client.post("/v1/text2sql", json={"question": "How many?"})).status_code == 200
        found = await scrape(api)
    assert value(found, "sluice_calls_total", stage="draft", outcome="finished") == 4
    assert value(found, "sluice_calls_total", stage="generate_candidate", outcome="finished") == 1
    kind = {"kind": "call", "outcome": "finished"}
    assert value(found, "sluice_workflows_total", **kind, deadline="met") == 3
    assert value(found, "sluice_workflows_total", **kind, deadline="missed") == 1
    asked = {"kind": "text2sql", "outcome": "finished", "deadline": "met"}
    assert value(found, "sluice_workflows_total", **asked) == 1
    assert value(found, "sluice_workflow_seconds_count", kind="call") == 4
    for name in ("waited_seconds", "ttft_seconds", "seconds"):
        assert value(found, f"sluice_call_{name}_count", stage="draft") == 4
    tokens = {kind: value(found, "sluice_tokens_total", stage="draft", type=kind) for kind in TOKEN_TYPES}
    assert tokens == {"prompt": 12, "cached": 8, "output": 12}
    placed = [value(found, "sluice_placements_total", policy="least_work", runtime=r) for r in RUNTIMES]
    assert sum(placed) == 5
    assert value(found, "sluice_sql_seconds_count", outcome="ok") == 1
    assert value(found, "sluice_http_responses_total", path="/generate", status="200") == 4


async def test_predictions_are_held_against_what_the_runtime_reports() -> None:
    """The fake runtime reports 20 ms per call; the error is the distance of each prediction to that."""
    async with stack() as api:
        answers = [await api.generate() for _ in range(2)]
        found = await scrape(api)
    predicted = [a.json()["meta_info"]["sluice"]["decision"]["predicted_seconds"] for a in answers]
    assert value(found, "sluice_service_seconds_total", runtime="r0") == pytest.approx(0.04)
    assert value(found, "sluice_predicted_service_seconds_total", runtime="r0") == pytest.approx(
        sum(predicted)
    )
    error = sum(abs(seconds - 0.02) for seconds in predicted)
    assert value(found, "sluice_prediction_error_seconds_sum", runtime="r0") == pytest.approx(error)
    assert value(found, "sluice_prediction_error_seconds_count", runtime="r0") == 2


async def test_refusals_failures_and_departures_are_told_apart() -> None:
    """A full queue, a failing runtime and a cancelled call each have their outcome and status."""
    async with stack(window_tokens=1, max_waiting_calls=1) as api:
        api.worker.failure = Failure("invalid_request", "no such grammar")
        assert (await api.generate()).status_code == 400
        api.worker.failure, api.worker.stalls = None, True
        api.worker.go.clear()
        held = [asyncio.create_task(api.generate(rid=f"held-{n}")) for n in range(2)]
        await reached(lambda: api.controller.calls_in_flight == 2)
        assert (await api.generate()).status_code == 429
        busy = await scrape(api)
        assert (await api.client.post("/abort_request", json={"rid": "held-1"})).json()["found"]
        api.worker.go.set()
        assert sorted(done.status_code for done in await asyncio.gather(*held)) == [200, 499]
        found = await scrape(api)
    assert value(busy, "sluice_waiting_calls") == 1
    assert value(busy, "sluice_calls_in_flight") == 2
    assert value(busy, "sluice_open_workflows") == 2
    assert value(busy, "sluice_runtime_held_calls", runtime="r0") == 1
    outcomes = {"failed": 1.0, "rejected": 1.0, "cancelled": 1.0, "finished": 1.0}
    for outcome, count in outcomes.items():
        assert value(found, "sluice_calls_total", stage="generate", outcome=outcome) == count
    for status in ("200", "400", "429", "499"):
        assert value(found, "sluice_http_responses_total", path="/generate", status=status) == 1
    assert value(found, "sluice_tokens_total", stage="generate", type="prompt") == 3  # of the finished one
    for name in ("sluice_waiting_calls", "sluice_calls_in_flight", "sluice_open_workflows"):
        assert value(found, name) == 0


async def test_clients_can_not_add_series_without_end() -> None:
    """Stage names beyond the first 64, unknown paths and ids of workflows make no new series."""
    async with stack() as api:
        for number in range(MAX_STAGES + 6):
            answer = await api.generate(workflow={"id": f"w-{number}", "stage": f"s-{number}", "last": True})
            assert answer.status_code == 200
        for number in range(3):
            assert (await api.client.get(f"/nothing/{number}")).status_code == 404
            assert (await api.client.get(f"/v1/workflows/w-{number}")).status_code == 200
        found = await scrape(api)
    finished = [key for key in found if key[0] == "sluice_calls_total"]
    assert len(finished) == MAX_STAGES + 1
    assert value(found, "sluice_calls_total", stage="other", outcome="finished") == 6
    assert value(found, "sluice_http_responses_total", path="other", status="404") == 3
    path = "/v1/workflows/{workflow_id}"
    assert value(found, "sluice_http_responses_total", path=path, status="200") == 3


async def test_sglangs_own_metrics_stand_under_their_names_per_runtime() -> None:
    """Both runtimes' samples of a metric stand together, once; a runtime that isn't up is left out."""
    async with stack("fast", "slow", "late", up=2) as api:
        for number, worker in enumerate(api.workers):
            worker.answers["metrics"] = SGLANG.format(worker.name, number + 1)
        found = await scrape(api)
    running = {k[1]: v for k, v in found.items() if k[0] == "sglang:num_running_reqs"}
    assert running == {
        (("runtime", "fast"), ("tp_rank", "0")): 1.0,
        (("runtime", "slow"), ("tp_rank", "0")): 2.0,
    }
    assert value(found, "sglang:e2e_seconds_count", runtime="slow") == 2
    assert {name: value(found, "sluice_runtime_up", runtime=name) for name in ("fast", "slow", "late")} == {
        "fast": 1,
        "slow": 1,
        "late": 0,
    }


async def test_a_runtime_that_can_not_tell_is_left_out() -> None:
    """The page comes without the runtime that is silent and the one that fails, and says that they are up."""
    async with stack("fast", "silent", "broken") as api:
        limits = ManualLimits(api)
        fast, silent, broken = api.workers
        fast.answers["metrics"] = SGLANG.format("fast", 1)
        del silent.answers["metrics"]
        broken.answers["metrics"] = RuntimeError("no such folder")
        scraping = asyncio.create_task(scrape(api))
        await limits.passed(asked=3, silent=1)
        found = await scraping
    assert set(limits.seconds) == {SCRAPE_SECONDS + GRACE_SECONDS}
    assert value(found, "sglang:e2e_seconds_count", runtime="fast") == 1
    assert {dict(key[1])["runtime"] for key in found if key[0].startswith("sglang:")} == {"fast"}
    assert all(value(found, "sluice_runtime_up", runtime=worker.name) == 1 for worker in api.workers)


async def test_an_answer_says_where_its_time_went() -> None:
    """The parts in ``Server-Timing`` add up to less than the client waited, the runtime's part included."""
    async with stack() as api:
        loop = asyncio.get_running_loop()
        started = loop.time()
        response = await api.generate()
        milliseconds = (loop.time() - started) * 1e3
        found = await scrape(api)
    parts = dict(part.split(";dur=") for part in response.headers["server-timing"].split(", "))
    assert list(parts) == ["tokenise", "dispatch", "held", "runtime", "answer"]
    assert all(float(part) >= 0 for part in parts.values())
    assert 0 < sum(map(float, parts.values())) < milliseconds
    assert value(found, "sluice_controller_seconds_count", phase="dispatch") == 1
    spent = value(found, "sluice_controller_seconds_sum", phase="dispatch")
    assert spent * 1e3 == pytest.approx(float(parts["dispatch"]), abs=0.001)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {"text": ["one", "two"], "sampling_params": {"n": 2}}),
        ("/v1/completions", {"prompt": ["one", "two"], "n": 2}),
        ("/v1/chat/completions", {"messages": QUESTION}),
    ],
)
async def test_so_does_an_answer_of_several_calls_and_those_of_openais_routes(
    path: str, body: dict[str, Any]
) -> None:
    """The parts are those of the call that was answered last; an answer counts once."""
    async with openai_app() as api:
        api.worker.answers["metrics"] = ""
        loop = asyncio.get_running_loop()
        started = loop.time()
        response = await api.client.post(path, json=body)
        milliseconds = (loop.time() - started) * 1e3
        found = await scrape(api)
    parts = dict(part.split(";dur=") for part in response.headers["server-timing"].split(", "))
    assert list(parts) == ["tokenise", "dispatch", "held", "runtime", "answer"]
    assert all(float(part) >= 0 for part in parts.values())
    assert 0 < sum(map(float, parts.values())) < milliseconds
    assert value(found, "sluice_controller_seconds_count", phase="dispatch") == 1
