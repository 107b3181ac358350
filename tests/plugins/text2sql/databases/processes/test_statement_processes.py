"""Whatever a statement does to its process, the others and this process go on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from launch.database_kinds import kind_of
from plugins.text2sql.databases.database import Limits, Rows, StatementError, UnknownName
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.processes.statement_processes import StatementProcesses
from plugins.text2sql.databases.processes.statement_replies import Reply, decode, encode
from plugins.text2sql.databases.statement_runner import Opening
from plugins.text2sql.databases.stopping import Stopping
from tests.plugins.text2sql.databases.conftest import Shops
from tests.plugins.text2sql.databases.processes.stubborn import (
    CRASH,
    FAULTY,
    HUGE,
    LEFT,
    LONG,
    ODD,
    PID,
    SPIN,
    STUCK,
    Stubborn,
)
from tests.plugins.text2sql.databases.running_statements import AMPLE, ENDLESS, MovedTime, until, until_idle
from tests.waiting import GUARD_SECONDS, eventually

COUNT = 2
MEMORY_BYTES = 1 << 30
LIMITS = Limits(10, 10_000, 10_000)


@pytest.fixture(scope="module")
def processes() -> Iterator[StatementProcesses]:
    """Two processes, which all tests use in turn."""
    with closing(StatementProcesses(COUNT, MEMORY_BYTES)) as made:
        yield made


@pytest.fixture
def stubborn(processes: StatementProcesses, tmp_path: Path) -> Iterator[DatabaseRegistry]:
    """A registry with the stubborn database."""
    with closing(DatabaseRegistry(max_concurrency=COUNT, runner=processes)) as registry:
        registry.register("stubborn", Stubborn, str(tmp_path / "pid"))
        yield registry


def ran(processes: StatementProcesses, statement: str, stopping: Stopping | None = None) -> object:
    """Run ``statement`` on the stubborn database, unchecked, and return the first value."""
    opening = Opening(Stubborn, "unused", Limits(10, 1_000, 1_000, seconds=0.1), 1)
    return processes.run(opening, opening(), statement, (stopping or Stopping()).interruptible).rows[0][0]


@pytest.mark.parametrize("question", ["SELECT count(*) FROM orders", "SELECT * FROM order_items ORDER BY id"])
async def test_rows_come_as_from_this_process(
    shops: Shops, kind: str, processes: StatementProcesses, question: str
) -> None:
    """Of every kind of database: the columns, the values and their types, what was cut off."""
    with (
        closing(shops.registry(kind, max_rows=5)) as here,
        closing(shops.registry(kind, max_rows=5, runner=processes)) as there,
    ):
        expected = await here.execute(kind, question, AMPLE)
        found = await there.execute(kind, question, AMPLE)
    assert expected.ok
    assert (found.columns, found.rows, found.truncated) == (
        expected.columns,
        expected.rows,
        expected.truncated,
    )
    assert list(map(type, found.rows[0])) == list(map(type, expected.rows[0]))


async def test_errors_come_as_from_this_process(
    shops: Shops, kind: str, processes: StatementProcesses
) -> None:
    """With the names near one that isn't there, too."""
    with (
        closing(shops.registry(kind)) as here,
        closing(shops.registry(kind, runner=processes)) as there,
    ):
        for registry in (here, there):
            registry.schema(kind)
        expected = await here.execute(kind, "SELECT emial FROM customers", AMPLE)
        found = await there.execute(kind, "SELECT emial FROM customers", AMPLE)
    assert found.error_kind == "invalid"
    assert found.error == expected.error
    assert "email" in (found.error or "")


async def test_a_statement_is_interrupted_in_its_process(
    shops: Shops, kind: str, processes: StatementProcesses
) -> None:
    """The process stays, and its next statement isn't hit."""
    clock = MovedTime(asyncio.get_running_loop())
    before = set(processes.pids())
    with closing(shops.registry(kind, runner=processes, clock=clock, max_concurrency=1)) as registry:
        assert (await registry.execute(kind, "SELECT 1", AMPLE)).ok
        answer = asyncio.create_task(registry.execute(kind, ENDLESS, 5000))
        await until(lambda: any(job.stopping.running for job in registry._jobs.values()))
        clock.advance(5000)
        assert (await answer).error == "the statement was stopped at its time limit of 5000 s"
        await until_idle(registry)
        assert (await registry.execute(kind, "SELECT 1", AMPLE)).rows == ((1,),)
    assert kind != "sqlite" or set(processes.pids()) == before


async def test_what_can_not_be_interrupted_is_killed(
    stubborn: DatabaseRegistry, processes: StatementProcesses, tmp_path: Path
) -> None:
    """Its answer is a timeout, its process is replaced, and meanwhile the other one answers."""
    began = tmp_path / "pid"
    answer = asyncio.create_task(stubborn.execute("stubborn", STUCK, AMPLE))
    await until(lambda: began.exists() and bool(began.read_text()))
    stuck = int(began.read_text())
    other = await stubborn.execute("stubborn", PID, AMPLE)
    assert other.rows[0][0] != stuck
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer
    await until_idle(stubborn)
    assert not psutil.pid_exists(stuck)
    assert stuck not in processes.pids()
    assert len(processes.pids()) == COUNT
    both = await asyncio.gather(*(stubborn.execute("stubborn", PID, AMPLE) for _ in range(COUNT)))
    assert all(result.ok for result in both)


@pytest.mark.parametrize(
    ("statement", "end"), [(CRASH, "SIGSEGV"), (LEFT, "exit code 3"), (SPIN, "processor time")]
)
def test_a_statement_that_ends_its_process_is_told_so(
    processes: StatementProcesses, statement: str, end: str
) -> None:
    """The model can mend it; the process is replaced.  Endless work ends though nobody interrupts it."""
    with pytest.raises(StatementError, match=end) as caught:
        ran(processes, statement)
    assert caught.value.kind == "invalid"
    assert len(processes.pids()) == COUNT
    assert isinstance(ran(processes, PID), int)


def test_memory_is_limited(processes: StatementProcesses) -> None:
    """Too much is an error of the statement."""
    with pytest.raises(StatementError, match=r"MemoryError|memory") as caught:
        ran(processes, HUGE)
    assert caught.value.kind == "invalid"


async def test_duckdb_lists_stay_within_the_memory(shops: Shops, processes: StatementProcesses) -> None:
    """DuckDB's own limit leaves them out; without the process's they took 7 GB."""
    opening = Opening(kind_of("duckdb", shops.addresses["duckdb"]), shops.addresses["duckdb"], LIMITS, 1)
    statement = "SELECT len(list_transform(range(1000000000), x -> x + 1))"
    with pytest.raises(StatementError) as caught:
        processes.run(opening, opening(), statement, Stopping().interruptible)
    assert caught.value.kind == "invalid"
    this = psutil.Process()
    assert all(child.memory_info().rss < 2 * MEMORY_BYTES for child in this.children())


@pytest.mark.parametrize(
    ("statement", "message"), [(LONG, "too long"), (ODD, "can't be read"), (FAULTY, "KeyError")]
)
def test_what_is_no_reply_is_an_error(processes: StatementProcesses, statement: str, message: str) -> None:
    """Longer than rows may be, no text, no result: the next statement is answered again."""
    with pytest.raises(StatementError, match=message) as caught:
        ran(processes, statement)
    assert caught.value.kind == "invalid"
    assert isinstance(ran(processes, PID), int)


def test_a_statement_that_was_stopped_before_does_not_begin(processes: StatementProcesses) -> None:
    """Nothing is sent, and the process stays free for the next one."""
    stopping = Stopping()
    stopping.stop("timeout", "too late")
    with pytest.raises(StatementError, match="too late"):
        ran(processes, CRASH, stopping)
    assert isinstance(ran(processes, PID), int)


def test_a_process_that_died_while_it_was_free_is_replaced(processes: StatementProcesses) -> None:
    """No statement fails for it."""
    old = processes.pids()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not any(process.usable for process in processes._free))
    assert isinstance(ran(processes, PID), int)
    assert isinstance(ran(processes, PID), int)
    assert ran(processes, PID) not in old


def test_closing_ends_the_processes_whatever_they_do(tmp_path: Path) -> None:
    """A statement that runs fails, later ones are refused, no process is left."""
    began = tmp_path / "pid"
    opening = Opening(Stubborn, str(began), LIMITS, 1)
    made = StatementProcesses(COUNT, MEMORY_BYTES)
    pids = made.pids()
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(made.run, opening, opening(), STUCK, Stopping().interruptible)
        assert eventually(lambda: began.exists() and bool(began.read_text()))
        made.close()
        with pytest.raises(StatementError, match="SIGKILL"):
            stuck.result(GUARD_SECONDS)
    with pytest.raises(StatementError, match="closed") as caught:
        made.run(opening, opening(), PID, Stopping().interruptible)
    assert caught.value.kind == "unavailable"
    assert not any(map(psutil.pid_exists, pids))


KILLED = """
import os, signal, sys
from plugins.text2sql.databases.database import Limits
from plugins.text2sql.databases.processes.statement_processes import StatementProcesses
from plugins.text2sql.databases.statement_runner import Opening
from plugins.text2sql.databases.stopping import Stopping
from tests.plugins.text2sql.databases.processes.stubborn import PID, Stubborn

made = StatementProcesses(2, 1 << 30)
opening = Opening(Stubborn, "unused", Limits(10, 1000, 1000), 1)
made.run(opening, opening(), PID, Stopping().interruptible)
print(*made.pids(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_end_with_the_one_that_started_them() -> None:
    """Even if it is killed."""
    root = Path(__file__).parents[5]
    ended = subprocess.run([sys.executable, "-c", KILLED], cwd=root, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    pids = [int(pid) for pid in ended.stdout.split()]
    assert len(pids) == COUNT
    assert eventually(lambda: not any(map(psutil.pid_exists, pids)))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(Rows(("a", "b"), ((1, None), ("é", [1.5, {"k": True}])), True), worn=False),
        Reply(Rows((), (), False), worn=True),
    ],
)
def test_a_reply_is_read_as_it_was_written(reply: Reply) -> None:
    """Rows with all that JSON can hold."""
    assert decode(encode(reply)) == reply


def test_an_error_is_read_as_it_was_written() -> None:
    """Its kind, its message though that is no proper text, and the unknown name."""
    error = StatementError("invalid", "no \ud800", UnknownName("table", "t"))
    read = decode(encode(Reply(error, worn=True)))
    assert read.worn
    assert isinstance(read.outcome, StatementError)
    assert (read.outcome.kind, str(read.outcome), read.outcome.unknown) == ("invalid", "no ?", error.unknown)


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"[]", b"{}", b'{"error": 1, "unknown": null}', b'{"rows": 1}']
)
def test_garbage_is_no_reply(garbage: bytes) -> None:
    """A process that a database has broken may send anything."""
    with pytest.raises(ValueError, match=""):
        decode(garbage)
