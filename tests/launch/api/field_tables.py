"""Writes ``launch/api/FIELDS.md``: the routes and request fields of SGLang and OpenAI, and what they do here.

``python -m tests.launch.api.field_tables > launch/api/FIELDS.md``
"""

from __future__ import annotations

import ast
import asyncio
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from openai.types.chat import completion_create_params as chats
from openai.types.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses import response_create_params as responses
from pydantic import BaseModel, ValidationError

from launch.api.native.native_bodies import GenerateBody, SamplingParams
from launch.api.native.token_routes import DetokenizeBody, TokenizeBody
from launch.api.openai.request_models import ChatBody, CompletionBody
from launch.api.responses.response_bodies import ResponsesBody
from launch.api.unserved_routes import UNSERVED
from sched.errors import InvalidRequestError
from tests.launch.api.api_stack import api_stack
from tests.launch.api.test_unserved_routes import package

SUPPORTED, NO_EFFECT, REFUSED = "supported", "no effect", "refused"
_ODD = {"asks": "for something"}
_MESSAGES = {"messages": [{"role": "user", "content": "one"}]}
_UNKNOWN = "an unknown field"
_COMMAND = ".venv/bin/python -m tests.launch.api.field_tables > launch/api/FIELDS.md"
_HEAD = f"""# Routes and fields of SGLang's and OpenAI's

Written by `{_COMMAND}` from the installed packages
and from what this server does with each field; a test fails when they differ.

*Supported*: as there. *No effect*: taken, whatever it says. *Refused*: 400, which names the field and what
to do instead; the values by which clients say that they don't use it are taken, and so is `null`. What a
supported field takes, and Sluice's own fields, are in `/docs` of a running server.
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """A request: our model of it, a least body, and the fields that SGLang and OpenAI have."""

    name: str
    model: type[BaseModel]
    least: Mapping[str, Any]
    sglangs: frozenset[str]
    openais: frozenset[str] = frozenset()

    def fields(self) -> list[str]:
        """Return the fields of both, sorted."""
        return sorted(self.sglangs | self.openais)

    def verdict(self, field: str) -> tuple[str, str]:
        """Return what a field does here, and what to do instead where it is refused.

        Raises:
            ValueError: the refusal names another field.
        """
        if field in self.model.model_fields:
            return SUPPORTED, ""
        try:
            self.model.model_validate({**self.least, field: _ODD})
        except InvalidRequestError as error:
            named, instead = error.field or "", error.message.partition(": ")[2]
        except ValidationError as error:
            named, instead = str(error.errors()[0]["loc"][-1]), _UNKNOWN
        else:
            return NO_EFFECT, ""
        if not named.endswith(field):
            raise ValueError(f"{field} is refused as {named!r}")
        return REFUSED, instead


@cache
def compared() -> tuple[Compared, ...]:
    """Return the requests."""
    srt = package("sglang") / "srt"
    protocol = ast.parse((srt / "entrypoints" / "openai" / "protocol.py").read_text())
    inputs = ast.parse((srt / "managers" / "io_struct.py").read_text())
    sampling = ast.parse((srt / "sampling" / "sampling_params.py").read_text())
    chat = frozenset(chats.CompletionCreateParamsStreaming.__annotations__)
    text = frozenset(CompletionCreateParamsStreaming.__annotations__)
    response = frozenset(responses.ResponseCreateParamsStreaming.__annotations__)
    prompt = {"prompt": "one"}
    return (
        Compared("`POST /generate`", GenerateBody, {"text": "one"}, _class(inputs, "GenerateReqInput")),
        Compared("`sampling_params` of `/generate`", SamplingParams, {}, _class(sampling, "SamplingParams")),
        Compared(
            "`POST /v1/chat/completions`",
            ChatBody,
            _MESSAGES,
            _class(protocol, "ChatCompletionRequest"),
            chat,
        ),
        Compared(
            "`POST /v1/completions`", CompletionBody, prompt, _class(protocol, "CompletionRequest"), text
        ),
        Compared(
            "`POST /v1/responses`",
            ResponsesBody,
            {"input": "one"},
            _class(protocol, "ResponsesRequest"),
            response,
        ),
        Compared("`POST /tokenize`", TokenizeBody, prompt, _class(protocol, "TokenizeRequest")),
        Compared(
            "`POST /detokenize`", DetokenizeBody, {"tokens": [1]}, _class(protocol, "DetokenizeRequest")
        ),
    )


def _class(tree: ast.Module, name: str) -> frozenset[str]:
    """Return the fields of a class, which isn't imported."""
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return frozenset(
        item.target.id
        for item in found.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        if not item.target.id.startswith("_") and "ClassVar" not in ast.dump(item.annotation)
    )


async def served() -> dict[str, str]:
    """Return our documented routes: by path, their methods."""
    async with api_stack() as api:
        document: dict[str, Any] = (await api.client.get("/openapi.json")).json()
    return {path: ", ".join(sorted(map(str.upper, methods))) for path, methods in document["paths"].items()}


def table(paths: Mapping[str, str]) -> str:
    """Return the file; ``paths`` are our routes."""
    return "\n".join(_lines(paths)) + "\n"


def _lines(paths: Mapping[str, str]) -> Iterator[str]:
    yield _HEAD
    yield from ("## Routes that are served", "", "| route | methods |", "|---|---|")
    yield from (f"| `{path}` | {methods} |" for path, methods in sorted(paths.items()))
    yield from ("", "## Routes that aren't", "", "What is below them isn't either: 404 `not_served`.", "")
    yield from ("| route | instead |", "|---|---|")
    yield from (f"| `{path}` | {instead} |" for path, instead in sorted(UNSERVED.items()))
    for request in compared():
        yield from ("", f"## {request.name}", "", "| field | whose | here | instead |", "|---|---|---|---|")
        for field in request.fields():
            here, instead = request.verdict(field)
            yield f"| `{field}` | {_whose(request, field)} | {here} | {instead} |"


def _whose(request: Compared, field: str) -> str:
    return ", ".join(_names(request, field))


def _names(request: Compared, field: str) -> Iterable[str]:
    if field in request.openais:
        yield "OpenAI"
    if field in request.sglangs:
        yield "SGLang"


if __name__ == "__main__":
    sys.stdout.write(table(asyncio.run(served())))
