"""Errors as users and processes see them."""

from __future__ import annotations

import pytest

from sched import errors
from sched.errors import ConfigError, Failure, SluiceError, error_for

_CODES = [
    ("invalid_request", 400),
    ("not_found", 404),
    ("conflict", 409),
    ("overloaded", 429),
    ("unavailable", 503),
    ("timeout", 504),
    ("deadline_missed", 504),
    ("cancelled", 499),
    ("runtime_failure", 502),
]


@pytest.mark.parametrize(("code", "status"), _CODES)
def test_a_failure_becomes_the_error_of_its_code(code: str, status: int) -> None:
    """A failure that crossed processes turns into the exception with its code, status and message."""
    error = error_for(Failure(code, "why"))
    assert (error.code, error.status, error.message, str(error)) == (code, status, "why", "why")
    assert type(error) is not SluiceError


def test_an_unknown_code_is_an_internal_error() -> None:
    """What nobody knows is reported as internal, with its message kept."""
    error = error_for(Failure("from_the_future", "why"))
    assert (type(error), error.code, error.status, error.message) == (
        SluiceError,
        "internal_error",
        500,
        "why",
    )


def test_codes_are_unique() -> None:
    """No two errors share a code, and every one a client may see can be made from its failure."""
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, SluiceError)]
    assert len({c.code for c in classes}) == len(classes) == len(_CODES) + 2
    for cls in classes:
        if cls is not ConfigError:
            assert type(error_for(Failure(cls.code, ""))) is cls


def test_an_error_names_field_and_wait() -> None:
    """Field and ``retry_after`` are kept for the answer to the client."""
    error = errors.OverloadedError("full", field="workflow", retry_after=2.0)
    assert (error.field, error.retry_after) == ("workflow", 2.0)
