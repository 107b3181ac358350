"""A sanity check of the overhead: the same calls to a bare SGLang server and, through Sluice, to its like.

One call at a time, so that nothing waits and there is nothing to decide.  On a CPU all of SGLang's processes
share one core, in the bare server its HTTP side, too; controller and client are on the others.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from launch.bench.cost.http_client import Connection
from launch.bench.cost.probe_load import TAIL_TOKENS, BenchError
from launch.bench.peers.pair import stock_spec, until_answered
from launch.bench.stand import HOST, plan_here, processes
from launch.checks import free_port
from launch.server.config import ServerConfig
from launch.server.devices import detect
from launch.server.plan import ServerPlan

_START_SECONDS = 300.0
_CALL_SECONDS = 60.0
_WARM_UPS = 20
_IDS = (300, 1500)
"""In every vocabulary, the small one of the demo model included."""


async def compare(model_path: str | None, prompt_tokens: int, calls: int) -> Mapping[str, Sequence[float]]:
    """Return what each of ``calls`` took at its client, in milliseconds, by server: ``bare`` and ``sluice``.

    All but the prompt's last tokens are cached, and one token is generated.  The model runs on the first GPU
    or core; without ``model_path`` on a CPU it is the embedded one.

    Raises:
        BenchError: a call isn't answered, or the bare server doesn't start.
        ChildError: a process of Sluice's doesn't start.
        ConfigError: the model can't be served.
    """
    gpus = detect(os.environ).gpus[:1] or None
    config = ServerConfig(model_path=model_path, gpus=gpus, cpu_slots=None if gpus else 1)
    plan = plan_here(config)
    return {
        "bare": await _bare(plan, prompt_tokens, calls),
        "sluice": await _sluice(plan, prompt_tokens, calls),
    }


async def _bare(plan: ServerPlan, prompt_tokens: int, calls: int) -> list[float]:
    port = free_port()
    worker = plan.worker_specs("ipc:///unused")[0]
    async with processes() as stand:
        child = await stand.start(stock_spec(worker, port))
        try:
            await until_answered([child], [f"http://{HOST}:{port}/health"], _START_SECONDS)
            return await _measured(port, prompt_tokens, calls)
        finally:
            child.kill()  # asked to end, SGLang leaves files in shared memory


async def _sluice(plan: ServerPlan, prompt_tokens: int, calls: int) -> list[float]:
    plan = replace(plan, config=replace(plan.config, port=free_port()))
    others = plan.machine.cores[1:]
    async with processes() as stand:
        family = plan.family_in(stand.folder)
        children = [await stand.start(family.controller, others)]
        children += [await stand.start(worker) for worker in family.workers]
        for child in children:
            await child.until_ready(_START_SECONDS)
        return await _measured(plan.config.port, prompt_tokens, calls)


async def _measured(port: int, prompt_tokens: int, calls: int) -> list[float]:
    shared = random.Random(0).choices(range(*_IDS), k=prompt_tokens - TAIL_TOKENS)
    connection = await Connection.open(HOST, port)
    milliseconds = []
    try:
        for number in range(_WARM_UPS + calls):
            ids = [*shared, *([_IDS[0] + number % (_IDS[1] - _IDS[0])] * TAIL_TOKENS)]
            body = f'{{"input_ids":{ids},"sampling_params":{{"max_new_tokens":1,"temperature":0.0}}}}'
            started = time.perf_counter()
            answer = await connection.request("POST", "/generate", body.encode(), _CALL_SECONDS)
            milliseconds.append((time.perf_counter() - started) * 1e3)
            if answer.status != 200:
                raise BenchError(f"a call was answered with {answer.status}: {answer.body[:300]!r}")
    finally:
        connection.close()
    return milliseconds[_WARM_UPS:]
