"""A web page elsewhere can't have a browser ask the server for anything."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from launch.api.hosts import AllowedHosts
from tests.launch.api.api_stack import api_stack


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:30000", None),
        ("localhost:30000", None),
        ("[::1]:30000", None),
        ("10.0.0.7", None),
        ("box.internal:80", None),
        ("sluice.example", None),
        ("SLUICE.example.", None),
        ("shop.localhost", None),
        ("", None),
        ("localhost:30000", "http://localhost:30000"),
        ("10.0.0.7:30000", "http://10.0.0.7:30000"),
        ("10.0.0.7:30000", "https://sluice.example"),
    ],
)
def test_the_server_is_known_by_its_names(host: str, origin: str | None) -> None:
    """Addresses, the name it listens on, those it was told; from its own pages."""
    hosts = AllowedHosts("box.internal", ("sluice.example",))
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    assert hosts.complaint("POST", Headers(headers)) is None


@pytest.mark.parametrize(
    ("host", "origin", "named"),
    [
        ("evil.example", None, "--allowed-hosts evil.example"),
        ("evil.example:30000", "http://evil.example:30000", "--allowed-hosts evil.example"),
        ("127.0.0.1.evil.example", None, "127.0.0.1.evil.example"),
        ("localhost:30000", "http://evil.example", "Origin"),
        ("localhost:30000", "http://localhost:3000", "--allowed-hosts localhost"),
        ("localhost:30000", "null", "leave the header out"),
        ("localhost:30000", "http://[", "Origin"),
        ("[", None, "Host"),
        ("a b", None, "Host"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_others_are_refused_with_the_remedy(method: str, host: str, origin: str | None, named: str) -> None:
    """A name that a page made point here, a page of another site or port, garbage."""
    headers = Headers({"host": host} | ({} if origin is None else {"origin": origin}))
    assert named in (AllowedHosts("127.0.0.1").complaint(method, headers) or "")
    assert AllowedHosts("127.0.0.1").complaint("GET", headers) is None
    assert AllowedHosts("127.0.0.1", ("*",)).complaint(method, headers) is None


async def test_a_foreign_page_gets_403() -> None:
    """On the way to every route, in the usual form; reading is free."""
    async with api_stack() as api:
        foreign = {"origin": "http://evil.example"}
        answer = await api.client.post("/generate", json={"text": "a"}, headers=foreign)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert "--allowed-hosts evil.example" in answer.json()["error"]["message"]
        assert (await api.client.get("/health", headers=foreign)).status_code == 200
        assert not api.worker.requests
