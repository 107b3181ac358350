"""Every answer names its request, as its client did or anew, and says what it took."""

from __future__ import annotations

from typing import Any

import pytest

from tests.launch.api.openai.openai_stack import QUESTION, openai_app

CHAT = ("POST", "/v1/chat/completions", {"messages": QUESTION})
STREAM = ("POST", "/v1/chat/completions", {"messages": QUESTION, "stream": True})
BAD: tuple[str, str, Any] = ("POST", "/v1/chat/completions", {"messages": []})
ASKED = [
    CHAT,
    STREAM,
    BAD,
    ("POST", "/generate", {"text": "one"}),
    ("GET", "/health", None),
    ("GET", "/no", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ASKED)
async def test_a_clients_id_comes_back(method: str, path: str, body: object) -> None:
    """On answers, streams and errors alike; without one, each answer has an id of its own."""
    async with openai_app() as api:
        ids = set()
        for headers in ({"x-request-id": "from-a-gateway/7"}, {}, {}, {"x-request-id": "x" * 257}):
            response = await api.client.request(method, path, json=body, headers=headers)
            assert len(response.headers.get_list("x-request-id")) == 1
            ids.add(response.headers["x-request-id"])
        assert "from-a-gateway/7" in ids
        assert len(ids) == 4


async def test_an_openai_answers_own_id_names_its_request() -> None:
    """As its clients expect."""
    async with openai_app() as api:
        response = await api.client.post("/v1/chat/completions", json={"messages": QUESTION})
        assert response.headers["x-request-id"] == response.json()["id"]


@pytest.mark.parametrize(("method", "path", "body"), ASKED)
async def test_every_answer_says_what_it_took(method: str, path: str, body: object) -> None:
    """Whole answers of calls in parts, all others until they began."""
    async with openai_app() as api:
        response = await api.client.request(method, path, json=body)
    (told,) = response.headers.get_list("server-timing")
    parts = dict(part.split(";dur=") for part in told.split(", "))
    asked = (method, path, body)
    whole = asked == CHAT or path == "/generate"
    assert list(parts) == (["tokenise", "dispatch", "held", "runtime", "answer"] if whole else ["total"])
    assert all(float(milliseconds) >= 0 for milliseconds in parts.values())
