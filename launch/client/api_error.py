"""What went wrong, as the server says it."""

from __future__ import annotations

from contextlib import suppress

import httpx
import orjson


class ApiError(Exception):
    """The server refused or failed.

    ``code`` is stable; ``status`` is HTTP's (``None``: a stream that had begun failed); ``field`` names the
    input at fault; ``retry_after`` is in seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        field: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.field = field
        self.retry_after = retry_after


def error_of(body: object, status: int | None = None, header: str | None = None) -> ApiError:
    """Return the error in a ``body`` of the server's form; ``header`` is ``Retry-After``'s value."""
    found = body.get("error") if isinstance(body, dict) else None
    if not isinstance(found, dict) or "message" not in found:
        return ApiError("unknown", str(body)[:1000], status=status, retry_after=_seconds(header))
    after = found.get("retry_after")
    return ApiError(
        str(found.get("code", "unknown")),
        str(found["message"]),
        status=status,
        field=found.get("field"),
        retry_after=float(after) if isinstance(after, int | float) else _seconds(header),
    )


def error_in(response: httpx.Response) -> ApiError:
    """Return the error of a ``response`` that was read; a text of another form as it came."""
    body: object = response.text
    with suppress(orjson.JSONDecodeError):
        body = orjson.loads(response.content)
    return error_of(body, response.status_code, response.headers.get("retry-after"))


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None
