"""Errors in OpenAI's form."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from launch.api.error_answers import as_error, error_response
from launch.api.replies import JsonRoute
from sched.errors import SluiceError

_TYPES = {
    408: "timeout_error",
    409: "conflict_error",
    429: "rate_limit_error",
    499: "cancelled_error",
    503: "service_unavailable_error",
    504: "timeout_error",
}
_INVALID, _MODEL = "invalid_request_error", "model"


class OpenAiErrorDetail(BaseModel):
    """What went wrong.  ``code`` is stable; ``param`` names the input."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAiError(BaseModel):
    """The body of every answer with a status from 400 on."""

    error: OpenAiErrorDetail


def error_docs(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route for the OpenAPI document."""
    others: dict[int | str, dict[str, Any]] = {"default": {"model": OpenAiError, "description": "Error"}}
    return others | {status: {"model": OpenAiError} for status in statuses}


def error_body(error: SluiceError) -> dict[str, Any]:
    """Return OpenAI's JSON form of ``error``."""
    no_model = error.status == 404 and error.field == _MODEL
    return {
        "error": {
            "message": error.message,
            "type": _TYPES.get(error.status, "server_error" if error.status >= 500 else _INVALID),
            "param": error.field,
            "code": "model_not_found" if no_model else error.code,
        }
    }


class OpenAiRoute(JsonRoute):
    """A route whose errors have OpenAI's form; wrong input is 400 there, never 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler with its errors answered."""
        handler = super().get_route_handler()

        async def answering(request: Request) -> Response:
            try:
                return await handler(request)
            except (SluiceError, RequestValidationError, HTTPException) as raised:
                error = as_error(raised)
                if error.status == 422:
                    error.status = 400
                return error_response(error, to_body=error_body)

        return answering
