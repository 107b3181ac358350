"""The errors of the project, each with the machine-readable code and HTTP status a client sees."""

from __future__ import annotations

from dataclasses import dataclass


class SluiceError(Exception):
    """Base of every error that may reach a user.

    ``code`` is stable and machine-readable, ``field`` names the offending input, ``retry_after``
    is in seconds.
    """

    code = "internal_error"
    status = 500

    def __init__(self, message: str, *, field: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after = retry_after


class InvalidRequestError(SluiceError):
    """The input can't be served as it is; the message names the field and the remedy."""

    code = "invalid_request"
    status = 400


class NotFoundError(SluiceError):
    """A named thing (workflow, database, call) is unknown."""

    code = "not_found"
    status = 404


class ConflictError(SluiceError):
    """The thing exists but its state doesn't allow the operation."""

    code = "conflict"
    status = 409


class OverloadedError(SluiceError):
    """Refused before queueing: too much is waiting."""

    code = "overloaded"
    status = 429


class UnavailableError(SluiceError):
    """No runtime can take the call now (starting, draining or lost)."""

    code = "unavailable"
    status = 503


class CallTimeoutError(SluiceError):
    """The call's time limit ran out."""

    code = "timeout"
    status = 504


class DeadlineError(SluiceError):
    """The deadline that the client gave has passed, so the rest of its workflow is not run."""

    code = "deadline_missed"
    status = 504


class CancelledCallError(SluiceError):
    """The client or the workflow cancelled the call (499: the client closed the request)."""

    code = "cancelled"
    status = 499


class RuntimeFailureError(SluiceError):
    """A runtime could not finish the call."""

    code = "runtime_failure"
    status = 502


CALL_FAILURES = (CallTimeoutError, RuntimeFailureError)
"""What may end one call and say nothing about its siblings."""


class ConfigError(SluiceError):
    """The configuration is wrong; the message names the flag or key and the remedy."""

    code = "invalid_config"
    status = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call or workflow did not finish, as plain data (crosses processes and the journal)."""

    code: str
    message: str
    field: str | None = None
    retry_after: float | None = None


def failure_of(error: SluiceError) -> Failure:
    """Return ``error`` as plain data."""
    return Failure(error.code, error.message, error.field, error.retry_after)


_BY_CODE: dict[str, type[SluiceError]] = {
    cls.code: cls
    for cls in (
        InvalidRequestError,
        NotFoundError,
        ConflictError,
        OverloadedError,
        UnavailableError,
        CallTimeoutError,
        DeadlineError,
        CancelledCallError,
        RuntimeFailureError,
    )
}


def error_for(failure: Failure) -> SluiceError:
    """Return the exception that stands for ``failure`` (``SluiceError`` for an unknown code)."""
    cls = _BY_CODE.get(failure.code, SluiceError)
    return cls(failure.message, field=failure.field, retry_after=failure.retry_after)
