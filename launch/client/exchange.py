"""What both clients share: requests, events as they are read, and when to ask again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from launch.client.api_error import ApiError, error_of
from launch.client.client_answers import (
    QuestionAnswered,
    QuestionEvent,
    QuestionReply,
    StepChanged,
    TimelineStep,
    WorkflowBegun,
)

TIMEOUT_SECONDS = 120.0
CONNECT_SECONDS = 5.0
CUT_OFF = "cut_off"
"""The code of a stream that ended early."""
_AGAIN = frozenset({429, 503})
_PAUSE_SECONDS = 1.0
"""Where the server doesn't say how long to wait."""


class TimeLimit:
    """``seconds`` for a request with all its attempts.

    The server refuses with 429 and 503 before it begins anything, so these may be asked again, unless it is
    not to ``ask_again``.
    """

    def __init__(
        self, seconds: float, ask_again: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._again = _AGAIN if ask_again else frozenset[int]()
        self._clock = clock
        self._until = clock() + seconds

    def httpx(self) -> httpx.Timeout:
        """Return the time limit of an attempt: nothing is awaited for longer than what is left."""
        left = self.left()
        return httpx.Timeout(left, connect=min(CONNECT_SECONDS, left))

    def left(self) -> float:
        """Return the seconds left.

        Raises:
            httpx.ReadTimeout: none is.
        """
        left = self._until - self._clock()
        if left <= 0:
            raise httpx.ReadTimeout("there was no answer in the time given")
        return left

    def pause(self, error: ApiError) -> float:
        """Return for how many seconds to wait before the next attempt.

        Raises:
            ApiError: ``error``, if another attempt is of no use, or comes too late.
        """
        wait = _PAUSE_SECONDS if error.retry_after is None else max(0.0, error.retry_after)
        if error.status not in self._again or self._clock() + wait >= self._until:
            raise error
        return wait


class EventReader:
    """Puts the lines of an event stream together."""

    def __init__(self) -> None:
        self._name = ""

    def event(self, line: str) -> QuestionEvent | None:
        """Return the event that ``line`` completes, if any.

        Raises:
            ApiError: it is an error.
        """
        field, _, value = line.partition(":")
        if field == "event":
            self._name = value.strip()
        elif field == "data":
            return _event(self._name, orjson.loads(value))
        return None


def _event(name: str, data: Any) -> QuestionEvent | None:
    if name == "error":
        raise error_of(data)
    if name == "workflow":
        return WorkflowBegun.model_validate(data)
    if name == "step":
        return StepChanged(step=TimelineStep.model_validate(data))
    return QuestionAnswered(answer=QuestionReply.model_validate(data)) if name == "result" else None


def question_body(question: str, database: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a question; ``options`` that are ``None`` are left out."""
    body = {"question": question, "database": database, **options}
    return {name: value for name, value in body.items() if value is not None}


def cut_off() -> ApiError:
    """Return the error of a stream that ended without a result."""
    return ApiError(CUT_OFF, "the server closed the stream without a result")


def quoted(name: str) -> str:
    """Return ``name`` as one part of a path."""
    return quote(name, safe="")
