"""Clients that keep asking, each call with an id of its own, and write down what became of each."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from launch.client.api_error import ApiError
from launch.client.client_answers import QuestionAnswered, StepChanged, WorkflowBegun
from launch.client.exchange import CUT_OFF
from launch.client.sluice_client import SluiceClient

ANSWER_SECONDS = 300.0
"""A call without an answer for so long is given up by its client."""
CALL, QUESTION = "generate", "text2sql"
_SLO_SECONDS = 60.0
_TOKENS = 8
_REFUSED_PAUSE_SECONDS = 0.2
"""A client that was refused asks again a little later."""
_LOOK_SECONDS = 0.05


@dataclass(slots=True)
class ClientRequest:
    """One call or question; times on the machine's monotonic clock.

    ``workflow_id`` is a call's from the start, and a question's once the server has accepted it.  ``status``
    is the answer's, ``None`` without one; ``code`` says what was wrong, empty: nothing.  ``rows``: a
    question's SQL gave some.  ``runtime`` ran a call last, ``attempts`` are the most that any call took.
    """

    kind: str
    began: float
    workflow_id: str | None = None
    ended: float | None = None
    status: int | None = None
    code: str = ""
    message: str = ""
    rows: bool = False
    runtime: str | None = None
    attempts: int = 1

    @property
    def answered(self) -> bool:
        """Whether it came to its answer."""
        return self.status == 200 and not self.code


class ChaosClients:
    """``callers`` and ``askers`` at ``url``, in threads of their own; askers take turns on ``databases``."""

    def __init__(self, url: str, databases: Sequence[str], callers: int, askers: int) -> None:
        self._url = url
        self._databases = itertools.cycle(databases)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._over = threading.Event()
        # A connection for each call: none is cut off because it was idle.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._client = httpx.Client(base_url=url, timeout=ANSWER_SECONDS, trust_env=False, limits=limits)
        self._asked: list[ClientRequest] = []
        works = [self._call] * callers + [self._question] * askers
        self._threads = [threading.Thread(target=self._go_on, args=(work,), daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def seen(self) -> list[ClientRequest]:
        """Return everything asked so far, in order."""
        with self._lock:
            return list(self._asked)

    def stop(self) -> None:
        """Ask nothing more, and wait for the answers that are still to come."""
        self._over.set()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS + 30.0)
        self._client.close()

    def _go_on(self, work: Callable[[], None]) -> None:
        while not self._over.is_set():
            work()

    def _new(self, kind: str, workflow_id: str | None = None) -> ClientRequest:
        asked = ClientRequest(kind, time.monotonic(), workflow_id)
        with self._lock:
            self._asked.append(asked)
        return asked

    def _ended(self, asked: ClientRequest) -> None:
        asked.ended = time.monotonic()
        if not asked.answered:
            self._over.wait(_REFUSED_PAUSE_SECONDS)

    def _call(self) -> None:
        name = f"chaos-{next(self._numbers)}"
        asked = self._new(CALL, name)
        body = {
            "text": f"call {name}",
            "sampling_params": {"max_new_tokens": _TOKENS, "ignore_eos": True},
            "workflow": {"id": name, "slo_seconds": _SLO_SECONDS, "last": True},
        }
        try:
            answer = self._client.post("/generate", json=body)
            asked.status = answer.status_code
            told = answer.json()
            if answer.is_success:
                scheduling = told["meta_info"]["sluice"]
                asked.runtime, asked.attempts = scheduling["runtime"], scheduling["attempts"]
            else:
                asked.code, asked.message = told["error"]["code"], told["error"]["message"]
        except httpx.HTTPError as error:
            asked.code, asked.message = _code(error), str(error)
        finally:
            self._ended(asked)

    def _question(self) -> None:
        asked = self._new(QUESTION)
        question = f"How many orders are there, asked for the time number {next(self._numbers)}?"
        try:
            # A refusal is written down, not waited out.
            with SluiceClient(self._url, timeout_seconds=ANSWER_SECONDS, ask_again=False) as client:
                for event in client.stream(question, next(self._databases), slo_seconds=_SLO_SECONDS):
                    if isinstance(event, WorkflowBegun):
                        asked.workflow_id = event.workflow_id
                    elif isinstance(event, StepChanged) and event.step.kind == "call":
                        asked.attempts = max(asked.attempts, event.step.attempts)
                    elif isinstance(event, QuestionAnswered):
                        asked.status, asked.rows = 200, bool(event.answer.rows)
        except ApiError as error:
            if error.code == CUT_OFF:
                asked.code = "cut off"
            else:
                asked.status = error.status or 200  # of a stream that had begun
                asked.code, asked.message = error.code, error.message
        except httpx.HTTPError as error:
            asked.code, asked.message = _code(error), str(error)
        finally:
            self._ended(asked)


@contextmanager
def asking(url: str, databases: Sequence[str], callers: int = 4, askers: int = 2) -> Iterator[ChaosClients]:
    """Let clients ask; on leaving they have stopped."""
    clients = ChaosClients(url, databases, callers, askers)
    try:
        yield clients
    finally:
        clients.stop()


def _code(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer"
    return "no connection" if isinstance(error, httpx.ConnectError) else "cut off"
