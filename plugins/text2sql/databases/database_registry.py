"""The databases that a workflow's ``sql`` step may ask, by name."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from concurrent.futures import Future, wait
from functools import partial

from plugins.text2sql.databases.database import Database, Limits
from plugins.text2sql.databases.known_database import DatabaseState, KnownDatabase, StatementTimes
from plugins.text2sql.databases.presentation import EVERYTHING, Presentation
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.statement import Statement
from plugins.text2sql.databases.statement_queue import StatementQueue
from plugins.text2sql.databases.statement_runner import InThisThread, Opening, StatementRunner
from sched.clock import Clock, monotonic
from sched.errors import ConfigError, NotFoundError, OverloadedError
from sched.workflow import SqlResult

logger = logging.getLogger(__name__)

CONCURRENCY = 4
"""How many statements run at a time, unless told otherwise."""
_GRACE_SECONDS = 0.2
_AGAIN_SECONDS = 0.02
_CLOSE_SECONDS = 1.0


class DatabaseRegistry:
    """The databases by name; implements ``sched.workflow.SqlBackend``.

    At most ``max_concurrency`` statements run at a time, each in a thread; of those that wait, at
    most ``max_waiting``, the one with the least slack goes first.  A result holds at most
    ``max_rows`` rows of together about ``max_bytes`` bytes; the rest is cut off and the result
    marked ``truncated``.  No value, intermediate ones included, may exceed ``max_value_bytes``, so
    that a statement can't fill the memory.  ``max_seconds`` is told to databases that stop statements by
    themselves.  ``runner`` says where they run; it must take ``max_concurrency`` at a time.  ``clock``
    measures slack and how long statements run.
    """

    def __init__(
        self,
        *,
        max_rows: int = 1_000,
        max_bytes: int = 1_000_000,
        max_value_bytes: int = 262_144,
        max_seconds: float = 60.0,
        max_concurrency: int = CONCURRENCY,
        max_waiting: int = 1_000,
        runner: StatementRunner | None = None,
        clock: Clock = monotonic,
    ) -> None:
        self._limits = Limits(max_rows, max_bytes, max_value_bytes, max_seconds)
        self._threads = max_concurrency
        self._max_waiting = max_waiting
        self._runner = runner or InThisThread()
        self._clock = clock
        self._databases: dict[str, KnownDatabase] = {}
        self._jobs: dict[Future[SqlResult], Statement] = {}
        self._queue = StatementQueue(max_concurrency)
        self._closed = False

    def register(
        self,
        name: str,
        kind: type[Database],
        address: str,
        presentation: Presentation = EVERYTHING,
        *,
        required: bool = True,
    ) -> None:
        """Open the database of this ``kind`` at ``address`` and make it known as ``name``.

        One that isn't ``required`` and can't be opened is known all the same: using it raises
        ``UnavailableError``.

        Raises:
            ConfigError: the name is taken, or the database is required and can't be opened.
        """
        if name in self._databases:
            raise ConfigError(f"two databases are named {name!r}; rename one", field="database")
        opening = Opening(kind, address, self._limits, self._threads)
        known = KnownDatabase(name, opening, presentation)
        try:
            known.open()
        except ConfigError as error:
            if required:
                raise ConfigError(f"database {name!r}: {error.message}", field="database") from None
        self._databases[name] = known

    def names(self) -> tuple[str, ...]:
        """Return the names of the databases that can be asked, in the order of registration."""
        return tuple(state.name for state in self.states() if state.reason is None)

    def states(self) -> tuple[DatabaseState, ...]:
        """Return the state of every database, in the order of registration."""
        return tuple(map(self.state, self._databases))

    def state(self, name: str) -> DatabaseState:
        """Return the state of database ``name``.

        Raises:
            NotFoundError: ``name`` is not registered.
        """
        return self._find(name).state

    def refuse(self, name: str, reason: str) -> None:
        """Close database ``name``: it can't be asked for this ``reason``.

        Raises:
            NotFoundError: ``name`` is not registered.
        """
        known = self._find(name)
        logger.warning("database %r is refused: %s", name, reason)
        known.refuse(reason)

    def schema(self, name: str) -> DatabaseSchema:
        """Return what is shown of the schema; read at the first call, then remembered.

        The reading takes seconds for a large database.  If it fails, only :meth:`refresh` tries again.

        Raises:
            ConfigError: nothing of it is shown.
            NotFoundError: ``name`` is not registered.
            UnavailableError: the database can't be read, or has no tables.
        """
        return self._find(name).shown_schema()

    def refresh(self, name: str) -> bool:
        """Open the database if it can't be used, and read its schema again if it has changed.

        May take seconds, so a thread calls it now and then.  Whether it can be asked is its state then.
        Returns whether the schema is another one now.

        Raises:
            NotFoundError: ``name`` is not registered.
        """
        return self._find(name).refresh()

    def database(self, name: str) -> Database:
        """Return database ``name``, to read its values.

        Raises:
            NotFoundError: ``name`` is not registered.
            UnavailableError: it can't be opened.
        """
        return self._find(name).database

    def times(self, name: str) -> StatementTimes:
        """Return how long statements on database ``name`` take; those stopped at their limit count too.

        Raises:
            NotFoundError: ``name`` is not registered.
        """
        return self._find(name).times()

    async def execute(
        self, database: str, statement: str, timeout_seconds: float, *, slack_seconds: float = math.inf
    ) -> SqlResult:
        """Run one SELECT; the time limit covers waiting for a free thread and running.

        ``slack_seconds`` is the time its workflow has left; the waiting statement with the least runs next.

        A bad, slow or refused statement is a result with ``error``, never an exception.
        Cancelling the caller interrupts the statement.  The answer comes at most 0.2 s after the
        limit; should the database be inside one long function call then, its thread follows later.

        Raises:
            NotFoundError: ``database`` is not registered.
            OverloadedError: too many statements wait.
            UnavailableError: it can't be opened.
        """
        found = self._find(database)
        if self._queue.waiting >= self._max_waiting:
            # None of them waits for longer than its time limit.
            raise OverloadedError("too many SQL statements are waiting", retry_after=timeout_seconds)
        asked = found.database
        run = partial(self._runner.run, found.opening, asked)
        job = Statement(statement, asked.dialect, run, self._clock, lambda: found.schema, found.presentation)
        if self._closed:
            return job.failed("unavailable", "the databases are closed")

        future = self._queue.submit(lambda: found.timed(job), self._clock() + slack_seconds)
        self._jobs[future] = job
        future.add_done_callback(lambda done: self._jobs.pop(done, None))
        answer = asyncio.wrap_future(future)
        late = f"the statement was stopped at its time limit of {timeout_seconds:g} s"
        stop = ("unavailable", "nobody waits for it any more")
        try:
            await asyncio.wait({answer}, timeout=timeout_seconds)
            stop = ("timeout", late)
        finally:  # it ended, reached its limit, or the caller was cancelled
            if not self._queue.withdraw(future):
                self._keep_stopping(future, job, *stop)
        await asyncio.wait({answer}, timeout=_GRACE_SECONDS)
        if future.cancelled():
            busy = f"no database thread was free within {timeout_seconds:g} s"
            return job.failed("unavailable", "the databases are closed" if self._closed else busy)
        return future.result() if future.done() else job.failed("timeout", late, timeout_seconds)

    def close(self) -> None:
        """Interrupt what runs, wait for it (at most 1 s) and close every database.  May be called twice."""
        self._closed = True
        until = time.monotonic() + _CLOSE_SECONDS
        while self._jobs and time.monotonic() < until:
            for future, job in list(self._jobs.items()):
                if not self._queue.withdraw(future):
                    job.stopping.stop("unavailable", "the databases were closed")
            wait(list(self._jobs), timeout=_AGAIN_SECONDS)
        self._queue.shutdown()
        for known in self._databases.values():
            known.close()

    def _find(self, name: str) -> KnownDatabase:
        if name not in self._databases:
            known = ", ".join(self._databases) or "none"
            raise NotFoundError(f"unknown database {name!r}; known: {known}", field="database")
        return self._databases[name]

    def _keep_stopping(self, future: Future[SqlResult], job: Statement, error_kind: str, reason: str) -> None:
        """Interrupt until it ends: an interrupt just before the database starts would be lost."""
        if not future.done():
            job.stopping.stop(error_kind, reason)
            again = asyncio.get_running_loop().call_later
            again(_AGAIN_SECONDS, self._keep_stopping, future, job, error_kind, reason)
