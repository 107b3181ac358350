"""A small client of the server's own API, for the demo and for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import orjson


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event: its name (``message`` if it has none) and its JSON data."""

    name: str
    data: dict[str, Any]


def ask(
    base_url: str, question: str, database: str | None, *, timeout_seconds: float, **options: Any
) -> Iterator[ServerEvent]:
    """Yield the events of one question: ``workflow``, ``step`` …, then ``result`` or ``error``.

    ``options`` are further fields of ``POST /v1/text2sql``.

    Raises:
        httpx.HTTPError: the server can't be reached, is silent for ``timeout_seconds`` or refuses.
    """
    body = {"question": question, "database": database, "stream": True, **options}
    timeout = httpx.Timeout(timeout_seconds, connect=5.0)
    # Without the environment's proxies: the server is on this machine or named by the user.
    with (
        httpx.Client(base_url=base_url, timeout=timeout, trust_env=False) as client,
        client.stream("POST", "/v1/text2sql", json=body) as response,
    ):
        if response.is_error:
            response.read()
            raise httpx.HTTPStatusError(
                f"the server answered {response.status_code}: {_message(response)}",
                request=response.request,
                response=response,
            )
        yield from _events(response.iter_lines())


def _message(response: httpx.Response) -> str:
    """Return the message of an error of ours, otherwise the text as it came."""
    with suppress(orjson.JSONDecodeError, KeyError, TypeError):
        return str(orjson.loads(response.content)["error"]["message"])
    return response.text


def _events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    name = "message"
    for line in lines:
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            yield ServerEvent(name, orjson.loads(value))
            name = "message"
