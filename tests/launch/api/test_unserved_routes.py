"""Routes that aren't served are told of by name, and every route of SGLang's and OpenAI's is known."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest
from starlette.routing import Match

from launch.api.unserved_routes import UNSERVED, unserved
from tests.launch.api.api_stack import Api, api_stack

FETCH = re.compile(r'_(?:get|post|put|patch|delete|get_api_list)\(\s*(?:path_template\(\s*)?f?"(/[^"]+)"')
"""How OpenAI's client names the path of a request."""


def package(name: str) -> Path:
    """Return the folder of an installed package, which isn't imported."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def decorated(path: Path) -> set[str]:
    """Return the paths of the routes that a module's decorators add to an application or a router."""
    calls = [
        decorator
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute)
        if getattr(decorator.func.value, "id", "") in ("app", "router") and decorator.args
    ]
    parts = [part for call in calls for part in ast.walk(call.args[0]) if isinstance(part, ast.Constant)]
    return {part.value for part in parts if isinstance(part.value, str) and part.value.startswith("/")}


def sglangs() -> set[str]:
    """Return the paths of SGLang's server."""
    folder = package("sglang") / "srt" / "entrypoints"
    inner = {"engine_info_bootstrap_server.py"}  # a server between the runtimes, not for clients
    modules = [module for module in folder.glob("*.py") if module.name not in inner]
    return {path for module in modules for path in decorated(module)}


def openais() -> set[str]:
    """Return the paths that OpenAI's client knows."""
    sources = (package("openai") / "resources").rglob("*.py")
    return {f"/v1{path}" for source in sources for path in FETCH.findall(source.read_text())}


def is_served(api: Api, path: str) -> bool:
    """Return whether the path is a route of ours, with whatever method; parameters have any value."""
    scope = {"type": "http", "path": re.sub(r"\{[^}]*\}", "one", path), "headers": [], "root_path": ""}
    methods = ("GET", "POST", "PUT", "DELETE")
    return any(
        route.matches(scope | {"method": method})[0] == Match.FULL
        for route in api.app.router.routes
        for method in methods
    )


async def test_every_route_of_sglang_and_openai_is_served_or_told_of() -> None:
    """A route that either adds fails here until it has a row."""
    theirs = sglangs() | openais()
    assert {"/generate", "/v1/score", "/v1/embeddings", "/v1/models", "/v1/loads"} <= theirs
    async with api_stack() as api:
        unknown = {path for path in theirs if not is_served(api, path) and unserved(path) is None}
    assert unknown <= {"/"}


async def test_no_served_route_is_said_to_be_unserved() -> None:
    """The table has only what is answered with 404: of a route that is served, at most what is below it."""
    async with api_stack() as api:
        both = {path for path in UNSERVED if is_served(api, path)}
    assert both <= {"/v1/chat/completions", "/v1/responses"}


@pytest.mark.parametrize(
    ("method", "path", "instead"),
    [
        ("POST", "/v1/embeddings", "--is-embedding"),
        ("GET", "/start_profile", "/metrics"),
        ("POST", "/v1/audio/speech", "text only"),
        ("POST", "/v1/images/generations/", "text only"),
        ("POST", "/load_lora_adapter", "merged"),
        ("GET", "/v1/chat/completions/chatcmpl-1", "nothing of that is stored"),
    ],
)
async def test_an_unserved_route_is_named_with_what_to_use_instead(
    method: str, path: str, instead: str
) -> None:
    """404, since clients try again after 501."""
    async with api_stack() as api:
        answer = await api.client.request(method, path)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "not_served")
        assert path in error["message"]
        assert instead in error["message"]


async def test_an_unknown_path_is_just_not_found() -> None:
    """So is one that only begins like a route of the table."""
    async with api_stack() as api:
        for path in ("/v1/nothing", "/encoded", "/v1/audiobooks"):
            answer = await api.client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
