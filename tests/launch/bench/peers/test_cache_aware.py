"""Our re-implementation of the router's ``cache_aware`` beside the real router, call by call."""

from __future__ import annotations

import asyncio
import random
import string
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from launch.bench.peers.pair import router_spec, until_answered
from launch.bench.peers.systems import SYSTEMS
from launch.bench.stand import HOST, processes
from launch.checks import free_port
from plugins.placement.cache_aware import CacheAwareSmall
from sched.policy import Placement
from tests.factories import RuntimeStub, call_spec, make_call
from tests.launch.bench.peers.noting_server import NotingServer, serving
from tests.waiting import GUARD_SECONDS, eventually

LETTERS = string.ascii_lowercase
BLOCK = 16
"""Letters to which prefixes are told apart; below it the router's choice is chance to us."""
ROUNDS, CALLS = 3, 30
SMALL = next(system for system in SYSTEMS if "balance_abs_threshold=8" in system.name)


class _Worker(NotingServer):
    """Notes prompts, and answers once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []
        self.held = 0
        self.open = threading.Event()

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        """Note the prompt, and hold the call."""
        self.held += 1
        self.prompts.append(body["text"])
        self.open.wait()
        return {"text": "", "meta_info": {}}

    def view(self, prompt: str) -> RuntimeStub:
        """Return what the router knows of this server, in letters for tokens."""
        known = max((_shared(prompt, old) for old in self.prompts), default=0)
        sent = sum(map(len, self.prompts))
        return RuntimeStub(
            name=self.url, outstanding_calls=self.held, cached=known // BLOCK * BLOCK, new_tokens=sent
        )


def _shared(one: str, other: str) -> int:
    """Return the length of the common prefix of two texts of one length."""
    pairs = enumerate(zip(one, other, strict=True))
    return next((place for place, (ours, theirs) in pairs if ours != theirs), len(one))


@dataclass(slots=True)
class _Compared:
    """Decisions by the rule that ours gave, and those of the router that ours didn't allow."""

    rules: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    owners: set[str] = field(default_factory=set)

    def note(self, ours: Placement, router: str) -> None:
        """Take in a decision; of runtimes with equal scores each is right."""
        rule = "affinity" if "sent there" in ours.reason else ours.reason.split()[0]
        self.rules[rule] += 1
        allowed = {name for name, score in ours.scores.items() if score == ours.scores[ours.runtime]}
        if router not in allowed:
            self.wrong.append(f"{rule}: {router} is not in {allowed}, {ours.scores}")
        if rule == "affinity" and len(allowed) == len(ours.scores):
            self.owners.add(router)


def _prompts(rng: random.Random) -> Iterator[str]:
    """Yield prompts of which a half, a tenth or nothing was sent before."""
    templates = ["".join(rng.choices(LETTERS, k=800)) for _ in range(2)]
    while True:
        shared = rng.choice([*[templates[0]] * 5, templates[1], templates[1][:160], ""])
        yield shared + "".join(rng.choices(LETTERS, k=1600 - len(shared)))


def _sent(
    pool: ThreadPoolExecutor, client: httpx.Client, workers: list[_Worker], prompt: str
) -> tuple[str, Future[int]]:
    """Send ``prompt`` through the router; return who got it, and the answer to come."""
    before = {worker.url: len(worker.prompts) for worker in workers}
    body = {"text": prompt, "sampling_params": {"max_new_tokens": 1}}
    answer = pool.submit(lambda: client.post("/generate", json=body).status_code)
    deadline = time.monotonic() + GUARD_SECONDS
    while time.monotonic() < deadline:
        for worker in workers:
            if len(worker.prompts) > before[worker.url]:
                return worker.url, answer
        time.sleep(0.002)
    raise AssertionError(f"nobody got the call: {answer}")


def _wait_until_idle(client: httpx.Client) -> None:
    """Wait until the router has counted all calls out, which it does some time after their answers."""

    def is_idle() -> bool:
        return not any(worker["load"] for worker in client.get("/workers").json()["workers"])

    assert eventually(is_idle)


def _compare(url: str, workers: list[_Worker]) -> _Compared:
    rng, compared, policy = random.Random(7), _Compared(), CacheAwareSmall()
    prompts = _prompts(rng)
    with (
        httpx.Client(base_url=url, timeout=GUARD_SECONDS, trust_env=False) as client,
        ThreadPoolExecutor(CALLS) as pool,
    ):
        for _ in range(ROUNDS):
            answers = []
            for sequence in range(CALLS):
                prompt = next(prompts)
                call = make_call(spec=call_spec(sequence + 1, prompt_tokens=len(prompt)))
                ours = policy.place(call, [worker.view(prompt) for worker in workers], 0.0)
                router, answer = _sent(pool, client, workers, prompt)
                compared.note(ours, router)
                answers.append(answer)
            for worker in workers:
                worker.open.set()
            assert [answer.result(GUARD_SECONDS) for answer in answers] == [200] * CALLS
            _wait_until_idle(client)
            for worker in workers:
                worker.held = 0
                worker.open.clear()
    return compared


async def test_each_decision_is_one_that_the_real_router_takes() -> None:
    """Imbalance, affinity and the shortest queue, at 8/1.2: no decision of the router's is another one."""
    workers = [_Worker() for _ in range(3)]
    with serving(workers):
        port = free_port()
        async with processes() as stand:
            child = await stand.start(router_spec("router", SMALL, port, [w.url for w in workers]))
            url = f"http://{HOST}:{port}"
            await until_answered([child], [f"{url}/readiness"], GUARD_SECONDS)
            compared = await asyncio.to_thread(_compare, url, workers)
    assert not compared.wrong, compared.wrong
    assert all(compared.rules[rule] >= 5 for rule in ("imbalanced", "affinity", "nothing")), compared.rules
    assert len(compared.owners) > 1, "who owns a template that all were sent is chance"
