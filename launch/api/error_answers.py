"""Errors as clients see them: one form, whatever went wrong."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from launch.api.native.native_bodies import SHAPES
from launch.api.replies import JsonResponse
from launch.api.unserved_routes import unserved
from sched.errors import SluiceError

logger = logging.getLogger(__name__)

_RETRY_AFTER_SECONDS = 1.0
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_HTTP_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    429: "overloaded",
}
_UNSERVED = "not_served"
_SHOWN_PROBLEMS = 3
_SHOWN_CHARACTERS = 200
_BAD_REQUEST_TYPES = frozenset({"json_invalid", "extra_forbidden"})


class ErrorDetail(BaseModel):
    """What went wrong.  ``code`` is stable; ``field`` names the input; ``retry_after`` is in seconds."""

    code: str
    message: str
    field: str | None = None
    retry_after: float | None = None


class ErrorAnswer(BaseModel):
    """The body of every answer with a status from 400 on."""

    error: ErrorDetail


def error_docs(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route for the OpenAPI document."""
    return {status: {"model": ErrorAnswer} for status in statuses}


def error_body(error: SluiceError) -> dict[str, Any]:
    """Return the JSON form of ``error``."""
    detail = {"code": error.code, "message": error.message}
    optional = {"field": error.field, "retry_after": _retry_after(error)}
    return {"error": detail | {name: value for name, value in optional.items() if value is not None}}


def error_response(
    error: SluiceError,
    headers: Mapping[str, str] | None = None,
    to_body: Callable[[SluiceError], dict[str, Any]] = error_body,
) -> JsonResponse:
    """Return the answer for ``error``, with ``Retry-After`` where trying again helps."""
    sent = dict(headers or {})
    wait = _retry_after(error)
    if wait is not None:
        sent["retry-after"] = str(max(1, math.ceil(wait)))
    return JsonResponse(to_body(error), status_code=error.status, headers=sent)


def install(app: FastAPI) -> None:
    """Have ``app`` answer every error in our form (unexpected ones: ``guard.py``)."""

    @app.exception_handler(SluiceError)
    async def sluice_error(request: Request, error: SluiceError) -> JsonResponse:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JsonResponse:
        return error_response(as_error(error))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JsonResponse:
        headers = {"allow": _allowed(app, request)} if error.status_code == 405 else error.headers
        if error.status_code == 404 and (why := unserved(request.scope["path"])) is not None:
            return error_response(_error(404, _UNSERVED, why), headers)
        return error_response(as_error(error), headers)


def as_error(error: SluiceError | RequestValidationError | HTTPException) -> SluiceError:
    """Return what was raised on the way to a route, or by it, as one of our errors."""
    if isinstance(error, SluiceError):
        return error
    if isinstance(error, RequestValidationError):
        return _from_validation(error)
    code = _HTTP_CODES.get(error.status_code, "invalid_request")
    return _error(error.status_code, code, str(error.detail))


def _allowed(app: FastAPI, request: Request) -> str:
    """Return the methods that the path of ``request`` takes; each may be a route of its own."""
    return ", ".join(
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] == Match.FULL for route in app.router.routes
        )
    )


def _retry_after(error: SluiceError) -> float | None:
    if error.retry_after is None and error.status in (429, 503):
        return _RETRY_AFTER_SECONDS
    return error.retry_after


def _error(status: int, code: str, message: str, field: str | None = None) -> SluiceError:
    error = SluiceError(message, field=field)
    error.status, error.code = status, code
    return error


def _from_validation(error: RequestValidationError) -> SluiceError:
    """Return the error for input of the wrong form.

    Fields that we don't know and bad sampling parameters are 400, as in SGLang; the rest is 422.
    """
    problems: Sequence[Mapping[str, Any]] = error.errors()
    fields = [_field(problem["loc"]) for problem in problems]
    sentences = [_sentence(problem, field) for problem, field in zip(problems, fields, strict=True)]
    shown = "; ".join(sentences[:_SHOWN_PROBLEMS])
    if len(sentences) > _SHOWN_PROBLEMS:
        shown += f"; and {len(sentences) - _SHOWN_PROBLEMS} more"
    bad_request = problems[0]["type"] in _BAD_REQUEST_TYPES or fields[0].startswith("sampling_params")
    return _error(400 if bad_request else 422, "invalid_request", shown, fields[0] or None)


def _field(location: Sequence[str | int]) -> str:
    """Return the path of a field; the location begins with where it was sent (body, query, path)."""
    return ".".join(str(part) for part in location[1:] if part not in SHAPES)[:_SHOWN_CHARACTERS]


def _sentence(problem: Mapping[str, Any], field: str) -> str:
    if problem["type"] == "json_invalid":
        return f"the body is not valid JSON: {problem['ctx']['error']}"
    if not field:
        return "the body must be a JSON object, sent with Content-Type: application/json"
    if problem["type"] == "extra_forbidden":
        return f"{field}: unknown field; remove it"
    return f"{field}: {str(problem['msg']).removeprefix('Value error, ')}"
