"""Our re-implementation of the router's ``cache_aware`` beside the real router, call by call."""

from __future__ import annotations

import asyncio
import json
import random
import string
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from launch.benches.peers.pair import router_spec, until_answered
from launch.benches.peers.systems import SYSTEMS
from launch.benches.stand import HOST, processes
from launch.checks import free_port
from plugins.placement.cache_aware import CacheAwareSmall
from sched.policy import Placement
from tests.factories import RuntimeStub, call_spec, make_call

LETTERS = string.ascii_lowercase
BLOCK = 16
"""Letters to which prefixes are told apart; below it the router's choice is chance to us."""
ROUNDS, CALLS = 3, 30
SMALL = next(system for system in SYSTEMS if "balance_abs_threshold=8" in system.name)


class _Worker(ThreadingHTTPServer):
    """Stands for a stock server: notes prompts, and answers once it is told to."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.prompts: list[str] = []
        self.held = 0
        self.open = threading.Event()
        self.name = f"http://{HOST}:{self.server_port}"

    def view(self, prompt: str) -> RuntimeStub:
        """Return what the router knows of this server, in letters for tokens."""
        known = max((_shared(prompt, old) for old in self.prompts), default=0)
        sent = sum(map(len, self.prompts))
        return RuntimeStub(
            name=self.name, outstanding_calls=self.held, cached=known // BLOCK * BLOCK, new_tokens=sent
        )


def _shared(one: str, other: str) -> int:
    """Return the length of the common prefix of two texts of one length."""
    return next(
        (place for place, pair in enumerate(zip(one, other, strict=True)) if len(set(pair)) > 1), len(one)
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Worker

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._reply({"status": "ok", "model_path": "m", "is_generation": True, "version": "0.5.21"})

    def do_POST(self) -> None:
        prompt = json.loads(self.rfile.read(int(self.headers["content-length"])))["text"]
        self.server.held += 1
        self.server.prompts.append(prompt)
        self.server.open.wait(60.0)
        self._reply({"text": "", "meta_info": {}})

    def _reply(self, told: dict[str, object]) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def _workers(count: int) -> Iterator[list[_Worker]]:
    servers = [_Worker() for _ in range(count)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield servers
    finally:
        for server in servers:
            server.open.set()
            server.shutdown()
            server.server_close()


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


def _sent(pool: ThreadPoolExecutor, url: str, workers: list[_Worker], prompt: str) -> tuple[str, Future[int]]:
    """Send ``prompt`` through the router; return who got it, and the answer to come."""
    before = {worker.name: len(worker.prompts) for worker in workers}
    body = {"text": prompt, "sampling_params": {"max_new_tokens": 1}}
    answer = pool.submit(lambda: httpx.post(f"{url}/generate", json=body, timeout=60.0).status_code)
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline:
        for worker in workers:
            if len(worker.prompts) > before[worker.name]:
                return worker.name, answer
        time.sleep(0.002)
    raise AssertionError(f"nobody got the call: {answer}")


def _compare(url: str, workers: list[_Worker]) -> _Compared:
    rng, compared, policy = random.Random(7), _Compared(), CacheAwareSmall()
    prompts = _prompts(rng)
    with ThreadPoolExecutor(CALLS) as pool:
        for _ in range(ROUNDS):
            answers = []
            for sequence in range(CALLS):
                prompt = next(prompts)
                call = make_call(spec=call_spec(sequence + 1, prompt_tokens=len(prompt)))
                ours = policy.place(call, [worker.view(prompt) for worker in workers], 0.0)
                router, answer = _sent(pool, url, workers, prompt)
                compared.note(ours, router)
                answers.append(answer)
            for worker in workers:
                worker.open.set()
            assert [answer.result(60.0) for answer in answers] == [200] * CALLS
            time.sleep(0.5)  # the router counts a call out some time after its answer
            for worker in workers:
                worker.held = 0
                worker.open.clear()
    return compared


async def test_each_decision_is_one_that_the_real_router_takes() -> None:
    """Imbalance, affinity and the shortest queue, at 8/1.2: no decision of the router's is another one."""
    with _workers(3) as workers:
        port = free_port()
        async with processes() as stand:
            child = await stand.start(router_spec("router", SMALL, port, [w.name for w in workers]))
            url = f"http://{HOST}:{port}"
            await until_answered([child], [f"{url}/readiness"], 30.0)
            compared = await asyncio.to_thread(_compare, url, workers)
    assert not compared.wrong, compared.wrong
    assert all(compared.rules[rule] >= 5 for rule in ("imbalanced", "affinity", "nothing")), compared.rules
    assert len(compared.owners) > 1, "who owns a template that all were sent is chance"
