"""Statements waiting for one of few threads: the most urgent one goes first."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from sched.workflow import SqlResult


@dataclass(order=True, slots=True)
class _Waiting:
    due: float
    sequence: int
    future: Future[SqlResult] = field(compare=False)
    run: Callable[[], SqlResult] = field(compare=False)


class StatementQueue:
    """Runs jobs in at most ``threads`` threads.

    A free thread takes the waiting job with the smallest ``due``, a point in time: what has waited long
    gains on what came later, so only a job without a deadline (``inf``) can be overtaken for ever.  Jobs
    with equal ``due`` run in order of arrival.
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, "sql")
        self._waiting: list[_Waiting] = []
        self._lock = threading.Lock()
        self._sequence = itertools.count()
        self._turns = 0

    @property
    def waiting(self) -> int:
        """Jobs that have not begun."""
        return len(self._waiting)

    def submit(self, run: Callable[[], SqlResult], due: float) -> Future[SqlResult]:
        """Queue ``run`` and return the future of its result.

        Raises:
            RuntimeError: the queue is shut down.
        """
        future: Future[SqlResult] = Future()
        with self._lock:
            heapq.heappush(self._waiting, _Waiting(due, next(self._sequence), future, run))
            # As many turns of a thread as jobs, those left by withdrawn jobs included: whose turn it is, is
            # decided when a thread is free.
            brings_turn = self._turns < len(self._waiting)
            if brings_turn:
                self._executor.submit(self._take_turn)
                self._turns += 1
        return future

    def withdraw(self, future: Future[SqlResult]) -> bool:
        """Cancel a job that hasn't begun; return whether it will never run."""
        if not future.cancel():
            return False
        with self._lock:
            self._waiting = [item for item in self._waiting if item.future is not future]
            heapq.heapify(self._waiting)
        return True

    def shutdown(self) -> None:
        """Take no more jobs; what waits must have been withdrawn."""
        self._executor.shutdown(wait=False)

    def _take_turn(self) -> None:
        with self._lock:
            self._turns -= 1
            if not self._waiting:  # withdrawn
                return
            item = heapq.heappop(self._waiting)
        if not item.future.set_running_or_notify_cancel():
            return
        try:
            item.future.set_result(item.run())
        except BaseException as error:
            item.future.set_exception(error)
