"""A worker with a real SGLang engine on CPU: everything on one start, and one start that must be refused."""

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

from engine.wire.messages import AbortRequest, Chunk, Finished, FirstTokenReady
from engine.wire.ordering_proof import PROOF_ORDER
from tests.engine.fake_controller import FakeController, rid
from tests.engine.real_worker import CACHE_TOKENS, NAME, SLOTS, RealWorker, RealWorkers, real_spec
from tests.engine.worker_process import PROMPT, WorkerProcess, generate, started
from tests.pass_gate import Seen
from tests.waiting import GUARD_SECONDS

pytestmark = [pytest.mark.real, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="session")]
module_fixture = pytest_asyncio.fixture(scope="module", loop_scope="session")


@module_fixture
async def controller(real_workers: RealWorkers) -> AsyncIterator[FakeController]:
    """The controller of the real worker while this module runs."""
    fake = FakeController((await real_workers.ready()).endpoint)
    await fake.hello(NAME)
    yield fake
    await fake.close()


LASTING = {"max_new_tokens": 300, "temperature": 0.0, "ignore_eos": True}
"""Minutes while the gate makes each pass wait a second."""


def shared_inodes(pids: list[int]) -> set[int]:
    """Return the inodes in shared memory that the processes have mapped."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    return {int(line.split()[4]) for line in lines if "/dev/shm/" in line}


async def test_introduces_a_real_runtime_with_its_proof(real: RealWorker, controller: FakeController) -> None:
    """The stages come in order, and the hello carries the proof and the sizes from the scheduler process."""
    stages = [status["stage"] for status in real.process.stages]
    assert stages == ["spawned", "imported", "loaded", "hook_live", "ready"]
    hello = await controller.hello(NAME)
    assert tuple(hello.hook_proof) == PROOF_ORDER
    assert (hello.simulated, hello.device) == (False, "cpu")
    assert hello.engine_version.startswith("sglang 0.5.")
    assert (hello.context_length, hello.max_total_tokens, hello.max_running_requests) == (
        8192,
        CACHE_TOKENS,
        SLOTS,
    )
    assert psutil.Process(real.process.process.pid).cpu_affinity() == [0]


async def test_leaves_no_names_in_shared_memory(real: RealWorker) -> None:
    """What the runtime has mapped is unlinked by the time it is ready, so that not even a kill leaves it."""
    mapped = shared_inodes([real.process.process.pid, *(child.pid for child in real.process.children())])
    assert mapped
    assert not mapped & {entry.inode() for entry in os.scandir("/dev/shm")}


async def test_without_the_hook_the_runtime_is_refused(tmp_path: Path) -> None:
    """Where SGLang doesn't load the plugin the start fails, says so, and leaves nothing behind."""
    refused = WorkerProcess(
        real_spec(f"ipc://{tmp_path}/link", "refused"), tmp_path, {"SGLANG_PLUGINS": "none"}
    )
    async with started(refused):
        status = await refused.until("ready", 3 * GUARD_SECONDS)
        assert status["stage"] == "failed"
        assert "ordering hook is not live" in status["message"]
        assert await refused.ended(GUARD_SECONDS) == 1
    assert list(refused.temporary.iterdir()) == []


async def test_generates_and_caches(real: RealWorker, controller: FakeController) -> None:
    """Greedy output is repeatable, only first token and end are reported, and a shared prefix is cached."""
    unlike_others = list(range(1000, 1064))
    first = await controller.finished(NAME, generate("first", unlike_others))
    again = await controller.finished(NAME, generate("again", unlike_others))
    assert [type(m) for m in controller.of("first")] == [FirstTokenReady, Finished]
    assert (first.prompt_tokens, first.output_tokens, len(first.token_ids)) == (64, 8, 32)
    assert (first.cached_tokens, again.cached_tokens) == (0, 63)
    assert (again.text, again.token_ids) == (first.text, first.token_ids)
    assert first.finish_reason["type"] == "length"
    assert 0 < again.ttft_seconds < again.total_seconds


async def test_streams_in_chunks(real: RealWorker, controller: FakeController) -> None:
    """The chunks of a stream make up its output."""
    sampling = {"max_new_tokens": 60, "temperature": 0.0, "ignore_eos": True}
    ending = await controller.finished(NAME, generate("stream", PROMPT, stream=True, sampling=sampling))
    chunks = [m for m in controller.of("stream") if isinstance(m, Chunk)]
    assert len(chunks) > 2
    assert "".join(c.text for c in chunks) == ending.text
    assert b"".join(c.token_ids for c in chunks) == ending.token_ids


async def test_our_order_rules_inside_sglang(real: RealWorker, controller: FakeController) -> None:
    """Requests waiting in SGLang's queue run by key, then sequence, whatever the order of arrival."""
    places = [(0.0, 1), (9.0, 2), (5.0, 4), (5.0, 3), (-1.0, 5)]
    with real.gate.held():
        for length, (key, sequence) in enumerate(places, start=2):
            sampling = {"max_new_tokens": length, "ignore_eos": True}
            request = generate(f"o-{length}", PROMPT, key=key, sequence=sequence, sampling=sampling)
            controller.send(NAME, request)
        await asyncio.to_thread(real.gate.until_received, len(places))
    for length in range(2, 2 + len(places)):
        await controller.ending(f"o-{length}")
    (seen,) = real.gate.seen()
    assert [places[length - 2] for length in seen.admitted] == sorted(places)


@pytest.mark.parametrize(
    ("name", "constraint", "pattern"),
    [
        ("regex", {"regex": "[a-c]{3}-[0-9]{2}"}, "[a-c]{3}-[0-9]{2}"),
        ("ebnf", {"ebnf": 'root ::= "SELECT " ("a" | "b") " FROM t;"'}, "SELECT [ab] FROM t;"),
    ],
)
async def test_output_obeys_a_grammar(
    real: RealWorker, controller: FakeController, name: str, constraint: dict[str, str], pattern: str
) -> None:
    """A random-weight model writes exactly what the grammar allows, and its end token ends it."""
    sampling = {"max_new_tokens": 64, "temperature": 1.0, **constraint}
    ending = await controller.finished(NAME, generate(name, PROMPT, sampling=sampling))
    assert re.fullmatch(pattern, ending.text)
    assert ending.finish_reason["type"] == "stop"


async def test_output_obeys_a_json_schema(real: RealWorker, controller: FakeController) -> None:
    """With whitespace off and every string bounded, the output is JSON even from random weights."""
    schema = {
        "type": "object",
        "properties": {"table": {"enum": ["orders", "users"]}, "why": {"type": "string", "maxLength": 8}},
        "required": ["table", "why"],
        "additionalProperties": False,
    }
    sampling = {"max_new_tokens": 128, "temperature": 1.0, "json_schema": json.dumps(schema)}
    text = (await controller.finished(NAME, generate("json", PROMPT, sampling=sampling))).text
    answer = json.loads(text, strict=False)  # xgrammar lets raw control characters into strings
    assert answer["table"] in ("orders", "users")
    # Half a character comes out as one replacement character for each byte.
    assert len(answer["why"].replace("\N{REPLACEMENT CHARACTER}", "")) <= 8


def busy(running: int, waiting: int) -> Callable[[list[Seen]], bool]:
    """Return the condition that SGLang has exactly ``running`` and ``waiting`` requests."""
    return lambda seen: [(one.running, one.waiting) for one in seen] == [(running, waiting)]


def send_more_than_fit(case: str, controller: FakeController) -> list[str]:
    """Send one request more than fits; return the names."""
    names = [f"{case}-{number}" for number in range(SLOTS + 1)]
    for name in names:
        controller.send(NAME, generate(name, PROMPT, sampling=LASTING))
    return names


async def test_aborts_reach_sglang(real: RealWorker, controller: FakeController) -> None:
    """A waiting and a running request end when aborted, also right after they were sent."""
    with real.gate.paced(1.0):
        names = send_more_than_fit("a", controller)
        controller.send(NAME, generate("a-now", PROMPT, sampling=LASTING), AbortRequest(rid=rid("a-now")))
        assert await controller.failure("a-now") == "cancelled"
        await asyncio.to_thread(real.gate.until, busy(SLOTS, 1))
        for name in reversed(names):
            controller.send(NAME, AbortRequest(rid=rid(name)))
        for name in names:
            assert await controller.failure(name) == "cancelled"
    assert (await controller.finished(NAME, generate("a-next", PROMPT))).output_tokens == 8


async def test_time_limits_reach_sglang(real: RealWorker, controller: FakeController) -> None:
    """A request whose time is over ends as a timeout and frees its slot."""
    with real.gate.paced(1.0):
        controller.send(NAME, generate("limit", PROMPT, sampling=LASTING, remaining_seconds=0.5))
        assert await controller.failure("limit") == "timeout"
    assert (await controller.finished(NAME, generate("limit-next", PROMPT))).output_tokens == 8


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
    controller.send(NAME, generate(name, token_ids, sampling=sampling))
    assert await controller.failure(name) == "invalid_request"
    await controller.finished(NAME, generate(f"{name}-next", PROMPT))


async def test_heartbeats_show_sglangs_load(real: RealWorker, controller: FakeController) -> None:
    """Running, waiting, used tokens and forward passes come from SGLang's scheduler."""
    with real.gate.paced(1.0):
        names = send_more_than_fit("h", controller)
        now = await controller.heartbeat(lambda beat: (beat.running, beat.waiting) == (SLOTS, 1))
        assert now.used_tokens > 64
        await controller.heartbeat(lambda beat: beat.scheduler_steps > now.scheduler_steps)
        for name in names:
            controller.send(NAME, AbortRequest(rid=rid(name)))
        for name in names:
            await controller.failure(name)
    await controller.heartbeat(lambda beat: (beat.running, beat.waiting, beat.used_tokens) == (0, 0, 0))


async def test_a_dead_scheduler_ends_the_worker(real: RealWorker, controller: FakeController) -> None:
    """When SGLang's scheduler dies requests fail, the worker says so and leaves nothing."""
    children = real.process.children()
    scheduler = next(child for child in children if "scheduler" in child.cmdline()[0])
    with real.gate.paced(1.0):
        controller.send(NAME, generate("doomed", PROMPT, sampling=LASTING))
        await asyncio.to_thread(real.gate.until, busy(1, 0))
        scheduler.kill()
        assert await controller.failure("doomed") == "runtime_failure"
    status = await real.process.until("failed", GUARD_SECONDS)
    assert "ended unexpectedly" in status["message"]
    assert await real.process.ended(GUARD_SECONDS) == 1
    assert psutil.wait_procs(children, timeout=GUARD_SECONDS)[1] == []
    assert list(real.process.temporary.iterdir()) == []
