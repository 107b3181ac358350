"""A worker with a real SGLang engine on CPU: everything on one start, and one start that must be refused.

The engine runs one request at a time, so that its queue can be watched.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from engine.backend import PROOF_ORDER
from engine.messages import Abort, Chunk, Finished, FirstToken
from engine.spec import WorkerSpec
from tests.engine.worker_process import ENDLESS, PROMPT, FakeController, WorkerProcess, generate, rid, started
from tests.gate import Gate, Seen
from tests.random_model import default_folder, ensure_model
from tests.waiting import GUARD_SECONDS

pytestmark = [pytest.mark.real, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]
module_fixture = pytest_asyncio.fixture(scope="module", loop_scope="module")

START_SECONDS = 900.0
"""A bound against hanging."""


@module_fixture
async def controller(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FakeController]:
    fake = FakeController(f"ipc://{tmp_path_factory.mktemp('link')}/link")
    yield fake
    await fake.close()


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """The gate before the passes of ``real``."""
    return Gate(tmp_path_factory.mktemp("gate"))


@module_fixture
async def processes(
    controller: FakeController, gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, WorkerProcess]]:
    """Start both workers at once: ``real``, and ``refused``, whose SGLang doesn't load our plugin."""
    folder = tmp_path_factory.mktemp("workers")
    values: dict[str, Any] = {
        "endpoint": controller.endpoint,
        "model_path": str(ensure_model(default_folder())),
        "device": "cpu",
        "heartbeat_seconds": 0.2,
    }
    arguments = {"max_running_requests": 1, "max_total_tokens": 16384}
    spec = WorkerSpec(name="real", cpu_core=0, engine_args=arguments, **values)
    real = WorkerProcess(spec, folder, gate.environment())
    refused = WorkerProcess(
        WorkerSpec(name="refused", engine_args=arguments, **values), folder, {"SGLANG_PLUGINS": "none"}
    )
    async with started(real), started(refused):
        yield {"real": real, "refused": refused}


@module_fixture
async def worker(processes: dict[str, WorkerProcess], controller: FakeController) -> WorkerProcess:
    """The real worker, ready and welcomed."""
    status = await processes["real"].until("ready", START_SECONDS)
    assert status["stage"] == "ready", status
    await controller.hello("real")
    return processes["real"]


def shared_inodes(pids: list[int]) -> set[int]:
    """Return the inodes in shared memory that the processes have mapped."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    return {int(line.split()[4]) for line in lines if "/dev/shm/" in line}


async def test_introduces_a_real_runtime_with_its_proof(
    worker: WorkerProcess, controller: FakeController
) -> None:
    """The stages come in order, and the hello carries the proof and the sizes from the scheduler process."""
    stages = [status["stage"] for status in worker.stages]
    assert stages == ["spawned", "imported", "loaded", "hook_live", "ready"]
    hello = await controller.hello("real")
    assert tuple(hello.hook_proof) == PROOF_ORDER
    assert (hello.simulated, hello.device) == (False, "cpu")
    assert hello.engine_version.startswith("sglang 0.5.")
    assert (hello.context_length, hello.max_total_tokens, hello.max_running_requests) == (8192, 16384, 1)
    assert psutil.Process(worker.process.pid).cpu_affinity() == [0]


async def test_leaves_no_names_in_shared_memory(worker: WorkerProcess) -> None:
    """What the runtime has mapped is unlinked by the time it is ready, so that not even a kill leaves it."""
    mapped = shared_inodes([worker.process.pid, *(child.pid for child in worker.children())])
    assert mapped
    assert not mapped & {entry.inode() for entry in os.scandir("/dev/shm")}


async def test_without_the_hook_the_runtime_is_refused(processes: dict[str, WorkerProcess]) -> None:
    """Where SGLang doesn't load the plugin the start fails, says so, and leaves nothing behind."""
    status = await processes["refused"].until("ready", START_SECONDS)
    assert status["stage"] == "failed"
    assert "ordering hook is not live" in status["message"]
    assert await processes["refused"].ended(GUARD_SECONDS) == 1
    assert list(processes["refused"].temporary.iterdir()) == []


async def test_generates_and_caches(worker: WorkerProcess, controller: FakeController) -> None:
    """Greedy output is repeatable, only first token and end are reported, and a shared prefix is cached."""
    first = await controller.finished("real", generate("first", PROMPT))
    again = await controller.finished("real", generate("again", PROMPT))
    assert [type(m) for m in controller.of("first")] == [FirstToken, Finished]
    assert (first.prompt_tokens, first.output_tokens, len(first.token_ids)) == (64, 8, 32)
    assert (first.cached_tokens, again.cached_tokens) == (0, 63)
    assert (again.text, again.token_ids) == (first.text, first.token_ids)
    assert first.finish_reason["type"] == "length"
    assert 0 < again.ttft_seconds < again.total_seconds


async def test_streams_in_chunks(worker: WorkerProcess, controller: FakeController) -> None:
    """The chunks of a stream make up its output."""
    sampling = {"max_new_tokens": 60, "temperature": 0.0, "ignore_eos": True}
    ending = await controller.finished("real", generate("stream", PROMPT, stream=True, sampling=sampling))
    chunks = [m for m in controller.of("stream") if isinstance(m, Chunk)]
    assert len(chunks) > 2
    assert "".join(c.text for c in chunks) == ending.text
    assert b"".join(c.token_ids for c in chunks) == ending.token_ids


async def test_our_order_rules_inside_sglang(
    worker: WorkerProcess, controller: FakeController, gate: Gate
) -> None:
    """Requests waiting in SGLang's queue run by key, then sequence, whatever the order of arrival."""
    sampling = {"max_new_tokens": 8, "temperature": 0.0, "ignore_eos": True}
    places = {
        "o-first": (0.0, 1),
        "o-late": (9.0, 2),
        "o-tie-b": (5.0, 4),
        "o-tie-a": (5.0, 3),
        "o-urgent": (-1.0, 5),
    }
    with gate.held():
        for name, (key, sequence) in places.items():
            controller.send("real", generate(name, PROMPT, key=key, sequence=sequence, sampling=sampling))
        await asyncio.to_thread(gate.until_received, len(places))
    for name in places:
        await controller.ending(name)
    order = [name for name in controller.endings() if name in places]
    assert order == ["o-urgent", "o-first", "o-tie-a", "o-tie-b", "o-late"]


@pytest.mark.parametrize(
    ("name", "constraint", "pattern"),
    [
        ("regex", {"regex": "[a-c]{3}-[0-9]{2}"}, "[a-c]{3}-[0-9]{2}"),
        ("ebnf", {"ebnf": 'root ::= "SELECT " ("a" | "b") " FROM t;"'}, "SELECT [ab] FROM t;"),
    ],
)
async def test_output_obeys_a_grammar(
    worker: WorkerProcess, controller: FakeController, name: str, constraint: dict[str, str], pattern: str
) -> None:
    """A random-weight model writes exactly what the grammar allows, and its end token ends it."""
    sampling = {"max_new_tokens": 64, "temperature": 1.0, **constraint}
    ending = await controller.finished("real", generate(name, PROMPT, sampling=sampling))
    assert re.fullmatch(pattern, ending.text)
    assert ending.finish_reason["type"] == "stop"


async def test_output_obeys_a_json_schema(worker: WorkerProcess, controller: FakeController) -> None:
    """With whitespace off and every string bounded, the output is JSON even from random weights."""
    schema = {
        "type": "object",
        "properties": {"table": {"enum": ["orders", "users"]}, "why": {"type": "string", "maxLength": 8}},
        "required": ["table", "why"],
        "additionalProperties": False,
    }
    sampling = {"max_new_tokens": 128, "temperature": 1.0, "json_schema": json.dumps(schema)}
    text = (await controller.finished("real", generate("json", PROMPT, sampling=sampling))).text
    answer = json.loads(text, strict=False)  # xgrammar lets raw control characters into strings
    assert answer["table"] in ("orders", "users")
    assert len(answer["why"]) <= 8


def busy(running: int, waiting: int) -> Callable[[list[Seen]], bool]:
    """Return the condition that SGLang runs and holds so many requests."""
    return lambda seen: [(one.running, one.waiting) for one in seen] == [(running, waiting)]


async def test_aborts_reach_sglang(worker: WorkerProcess, controller: FakeController, gate: Gate) -> None:
    """A waiting and a running request end when aborted, also right after they were sent."""
    with gate.paced():
        controller.send("real", generate("a-run", PROMPT, sampling=ENDLESS))
        controller.send("real", generate("a-wait", PROMPT, sampling=ENDLESS))
        controller.send("real", generate("a-now", PROMPT, sampling=ENDLESS), Abort(rid=rid("a-now")))
        assert await controller.failure("a-now") == "cancelled"
        await asyncio.to_thread(gate.until, busy(1, 1))
        for name in ("a-wait", "a-run"):
            controller.send("real", Abort(rid=rid(name)))
            assert await controller.failure(name) == "cancelled"
    assert (await controller.finished("real", generate("a-next", PROMPT))).output_tokens == 8


async def test_time_limits_reach_sglang(
    worker: WorkerProcess, controller: FakeController, gate: Gate
) -> None:
    """A request whose time is over ends as a timeout and frees its slot."""
    with gate.paced():
        controller.send("real", generate("limit", PROMPT, sampling=ENDLESS, remaining_seconds=0.5))
        assert await controller.failure("limit") == "timeout"
    assert (await controller.finished("real", generate("limit-next", PROMPT))).output_tokens == 8


@pytest.mark.parametrize(
    ("name", "token_ids", "sampling"),
    [
        ("bad-length", list(range(100)) * 90, {"max_new_tokens": 8}),
        ("bad-name", PROMPT, {"max_new_tokenz": 8}),
        ("bad-value", PROMPT, {"max_new_tokens": 8, "temperature": -1.0}),
        ("bad-grammar", PROMPT, {"max_new_tokens": 8, "ebnf": "root ::= ("}),
        ("bad-n", PROMPT, {"max_new_tokens": 8, "n": 2}),
    ],
)
async def test_a_bad_request_is_the_clients_error(
    worker: WorkerProcess,
    controller: FakeController,
    name: str,
    token_ids: list[int],
    sampling: dict[str, Any],
) -> None:
    """What SGLang refuses comes back as invalid, and the runtime goes on serving."""
    controller.send("real", generate(name, token_ids, sampling=sampling))
    assert await controller.failure(name) == "invalid_request"
    await controller.finished("real", generate(f"{name}-next", PROMPT))


async def test_heartbeats_show_sglangs_load(
    worker: WorkerProcess, controller: FakeController, gate: Gate
) -> None:
    """Running, waiting, used tokens and forward passes come from SGLang's scheduler."""
    names = ("h-0", "h-1", "h-2")
    with gate.paced():
        for name in names:
            controller.send("real", generate(name, PROMPT, sampling=ENDLESS))
        now = await controller.heartbeat(lambda beat: (beat.running, beat.waiting) == (1, 2))
        assert now.used_tokens > 64
        await controller.heartbeat(lambda beat: beat.scheduler_steps > now.scheduler_steps)
        for name in names:
            controller.send("real", Abort(rid=rid(name)))
            await controller.failure(name)
    await controller.heartbeat(lambda beat: (beat.running, beat.waiting, beat.used_tokens) == (0, 0, 0))


async def test_a_dead_scheduler_ends_the_worker(
    worker: WorkerProcess, controller: FakeController, gate: Gate
) -> None:
    """When SGLang's scheduler dies requests fail, the worker says so and leaves nothing."""
    children = worker.children()
    scheduler = next(child for child in children if "scheduler" in child.cmdline()[0])
    with gate.paced():
        controller.send("real", generate("doomed", PROMPT, sampling=ENDLESS))
        await asyncio.to_thread(gate.until, busy(1, 0))
        scheduler.kill()
        assert await controller.failure("doomed") == "runtime_failure"
    status = await worker.until("failed", GUARD_SECONDS)
    assert "ended unexpectedly" in status["message"]
    assert await worker.ended(GUARD_SECONDS) == 1
    assert psutil.wait_procs(children, timeout=GUARD_SECONDS)[1] == []
    assert list(worker.temporary.iterdir()) == []
