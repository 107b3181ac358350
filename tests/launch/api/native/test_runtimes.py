"""SGLang's routes about the server itself, over the real controller and scripted workers."""

from __future__ import annotations

import asyncio
from typing import Any

from engine.controller.fleet import SETTLE_SECONDS
from sched.cache.prefix import BLOCK_TOKENS
from sched.clock import ManualClock
from tests.launch.api.api_stack import MODEL_INFO, Api, ManualLimits, api_stack, words
from tests.waiting import reached

LOAD = {
    "dp_rank": 0,
    "num_running_reqs": 2,
    "num_waiting_reqs": 1,
    "num_used_tokens": 30,
    "num_total_tokens": 40,
    "memory": {"weight_gb": 1.5},
    "speculative": None,
    "queues": {"waiting": 1},
}


def answering(api: Api, **answers: Any) -> None:
    for worker in api.workers:
        worker.answers |= answers


# --- /health_generate -------------------------------------------------------------------------------


async def test_health_generate_asks_every_runtime_for_a_token() -> None:
    """200 with what each said, and the limit travels with the command."""
    async with api_stack(("fast", "slow")) as api:
        answering(api, health={"generated": True, "seconds": 0.1})
        response = await api.client.get("/health_generate", params={"timeout": 7})
        assert response.status_code == 200
        assert response.json()["status"] == "ok"
        assert set(response.json()["runtimes"]) == {"fast", "slow"}
        assert [command.seconds for worker in api.workers for command in worker.commands] == [7.0, 7.0]


async def test_health_generate_names_the_runtime_that_fails() -> None:
    """503 with the reason, for one that answers badly, one that is silent and one that is missing."""
    async with api_stack(("fast", "slow", "gone"), up=2) as api:
        fast, slow, _ = api.workers
        fast.answers["health"] = RuntimeError("out of memory")
        assert not slow.answers
        limits = ManualLimits(api)
        asking = asyncio.create_task(api.client.get("/health_generate", params={"timeout": 7}))
        await limits.passed(asked=2, silent=1)
        response = await asking
        assert response.status_code == 503
        message = response.json()["error"]["message"]
        assert "fast: out of memory" in message
        assert "slow: no answer within 7 s" in message
        assert "gone: the runtime is not up" in message


# --- /server_info -----------------------------------------------------------------------------------


async def test_server_info_shows_what_the_runtimes_have_in_common_and_each_ones_state() -> None:
    """SGLang's names; sizes are summed up; a deprecated path serves the same."""
    async with api_stack(("a", "b")) as api:
        for worker, core in zip(api.workers, (0, 1), strict=True):
            worker.answers["server_info"] = {
                "schedule_policy": "fcfs",
                "core": core,
                "max_total_num_tokens": 1000,
                "internal_states": [{"last_gen_throughput": core + 0.5}],
            }
        info = (await api.client.get("/server_info")).json()
        assert info["schedule_policy"] == "fcfs"
        assert "core" not in info
        assert info["max_total_num_tokens"] == 2000
        assert info["internal_states"] == [
            {"runtime": "a", "last_gen_throughput": 0.5},
            {"runtime": "b", "last_gen_throughput": 1.5},
        ]
        assert info["model_path"] == MODEL_INFO["model_path"]
        assert [worker["name"] for worker in info["workers"]] == ["a", "b"]
        assert (await api.client.get("/get_server_info")).json()["internal_states"] == info["internal_states"]


async def test_server_info_without_a_runtime_is_unavailable() -> None:
    """There is nothing to tell."""
    async with api_stack(up=0) as api:
        assert (await api.client.get("/server_info")).status_code == 503


# --- loads ------------------------------------------------------------------------------------------


async def test_loads_number_the_runtimes_through() -> None:
    """Each scheduler is an entry with SGLang's fields, its runtime and what we hold back for it."""
    async with api_stack(("a", "b", "gone"), up=2) as api:
        answering(api, loads=[LOAD])
        answer = (await api.client.get("/v1/loads")).json()
        assert [(load["dp_rank"], load["runtime"]) for load in answer["loads"]] == [(0, "a"), (1, "b")]
        assert {key: answer["loads"][0][key] for key in LOAD} == LOAD
        assert answer["loads"][0]["num_held_reqs"] == 0
        assert (answer["version"], answer["accelerator"]) == ("fake", "fake")
        (one,) = (await api.client.get("/v1/loads", params={"dp_rank": 1})).json()["loads"]
        assert one["runtime"] == "b"


async def test_loads_show_the_sections_that_are_asked_for() -> None:
    """``include`` as in SGLang; an unknown section is refused by name."""
    async with api_stack() as api:
        answering(api, loads=[LOAD])
        core = (await api.client.get("/v1/loads", params={"include": "core"})).json()["loads"][0]
        assert not core.keys() & {"memory", "speculative", "queues"}
        assert core["num_running_reqs"] == 2
        some = (await api.client.get("/v1/loads", params={"include": "core, queues"})).json()["loads"][0]
        assert some["queues"] == {"waiting": 1}
        assert "memory" not in some
        wrong = await api.client.get("/v1/loads", params={"include": "core,nonsense"})
        assert (wrong.status_code, wrong.json()["error"]["field"]) == (400, "include")


async def test_loads_as_prometheus_text() -> None:
    """SGLang's names, one type line each, with the runtime as a label."""
    async with api_stack(("a", "b")) as api:
        answering(api, loads=[LOAD])
        response = await api.client.get("/v1/loads", params={"format": "prometheus"})
        assert response.headers["content-type"].startswith("text/plain")
        lines = response.text.splitlines()
        assert lines.count("# TYPE sglang_num_running_reqs gauge") == 1
        assert 'sglang_num_running_reqs{dp_rank="1",runtime="b"} 2' in lines
        assert 'sglang_memory_weight_gb{dp_rank="0",runtime="a"} 1.5' in lines


async def test_get_load_has_the_fields_of_earlier_versions() -> None:
    """Routers in front sum these up."""
    async with api_stack() as api:
        answering(api, loads=[LOAD])
        (load,) = (await api.client.get("/get_load")).json()
        expected = {"dp_rank": 0, "runtime": "r0", "num_reqs": 3, "num_waiting_reqs": 1, "num_tokens": 40}
        assert load == expected


# --- /flush_cache -----------------------------------------------------------------------------------


async def test_flush_empties_the_runtimes_and_what_is_believed_of_them() -> None:
    """A prompt that was believed to be cached is not any more."""
    async with api_stack(("a", "b")) as api:
        answering(api, flush_cache=True)
        text = words(3 * BLOCK_TOKENS)

        async def predicted() -> int:
            answer = (await api.generate(text=text)).json()
            return int(answer["meta_info"]["sluice"]["decision"]["predicted_cached_tokens"])

        assert await predicted() == 0
        assert await predicted() > 0
        for method in ("POST", "GET"):
            response = await api.client.request(method, "/flush_cache")
            assert (response.status_code, response.text) == (200, "Cache flushed.\n")
            assert [worker.commands[-1].action for worker in api.workers] == ["flush_cache"] * 2
            assert await predicted() == 0


async def test_flush_is_refused_while_calls_are_in_flight() -> None:
    """No runtime is even asked; with a timeout it waits for their end."""
    async with api_stack(clock=ManualClock()) as api:
        answering(api, flush_cache=True)
        api.worker.go.clear()
        call = asyncio.create_task(api.generate())
        await reached(lambda: bool(api.worker.requests))
        refused = await api.client.post("/flush_cache")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert not api.worker.commands
        waiting = asyncio.create_task(api.client.post("/flush_cache", params={"timeout": 5}))
        # One that doesn't wait, and comes later, is answered before it.
        assert (await api.client.post("/flush_cache")).status_code == 409
        assert not waiting.done()
        api.worker.go.set()
        assert (await waiting).status_code == 200
        assert (await call).status_code == 200


async def test_flush_gives_a_runtime_time_to_end_what_was_aborted() -> None:
    """A runtime that still refuses is asked again for a moment, then it is a conflict."""
    async with api_stack(clock=(clock := ManualClock())) as api:
        answering(api, flush_cache=False)
        waiting = asyncio.create_task(api.client.post("/flush_cache"))
        await reached(lambda: len(api.worker.commands) > 1)
        answering(api, flush_cache=True)
        assert (await waiting).status_code == 200
        answering(api, flush_cache=False)
        asked = len(api.worker.commands)
        waiting = asyncio.create_task(api.client.post("/flush_cache"))
        await reached(lambda: len(api.worker.commands) > asked + 1)
        clock.advance(SETTLE_SECONDS)
        refused = await waiting
        assert refused.status_code == 409
        assert "runtime r0" in refused.json()["error"]["message"]


async def test_flush_says_which_runtime_could_not() -> None:
    """A runtime's failure is no conflict; without any runtime it is unavailable."""
    async with api_stack() as api:
        answering(api, flush_cache=RuntimeError("the scheduler is gone"))
        failed = await api.client.post("/flush_cache")
        assert failed.status_code == 502
        assert "r0" in failed.json()["error"]["message"]
    async with api_stack(up=0) as api:
        assert (await api.client.post("/flush_cache")).status_code == 503
