"""A seed that would have no effect is refused; the choices of a prompt have seeds of their own."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from launch.api.seeds import of_choice
from tests.launch.api.api_fakes import FakeWorker
from tests.launch.api.openai.openai_stack import QUESTION, openai_app

UNSEEDED = partial(FakeWorker, seeded=False)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/chat/completions", {"messages": QUESTION, "seed": 7}, "seed"),
        ("/v1/completions", {"prompt": "one", "seed": 0, "temperature": 0.5}, "seed"),
    ],
)
async def test_sampling_without_seeds_is_refused(path: str, body: dict[str, Any], field: str) -> None:
    """By name, with what to do; whoever takes the likeliest token needs no seed."""
    async with openai_app(make_worker=UNSEEDED) as api:
        refused = await api.client.post(path, json=body)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == field
        assert "--enable-deterministic-inference" in refused.json()["error"]["message"]
        for greedy in ({"temperature": 0}, {"top_k": 1}):
            assert (await api.client.post(path, json=body | greedy)).status_code == 200


async def test_sglangs_own_route_refuses_it_as_well() -> None:
    """With the name that it has there."""
    async with openai_app(make_worker=UNSEEDED) as api:
        refused = await api.generate(sampling_params={"sampling_seed": 7})
        assert refused.status_code == 400
        assert refused.json()["error"]["field"] == "sampling_params.sampling_seed"
        assert (await api.generate(sampling_params={"sampling_seed": 7, "temperature": 0})).status_code == 200
        assert (await api.generate()).status_code == 200


async def test_each_choice_of_a_prompt_has_its_seed() -> None:
    """Else they would all be the same; the same request has the same ones."""
    async with openai_app() as api:
        body = {"prompt": ["one", "two"], "n": 2, "seed": 7}
        for _ in range(2):
            assert (await api.client.post("/v1/completions", json=body)).status_code == 200
        seeds = [request.sampling["sampling_seed"] for request in api.worker.requests]
        assert seeds == [7, 8, 7, 8] * 2


def test_seeds_stay_in_their_range() -> None:
    """They are 64 bits wide."""
    assert of_choice({"sampling_seed": 2**63 - 1}, 1) == {"sampling_seed": -(2**63)}
    assert of_choice({"top_k": 3}, 1) == {"top_k": 3}
