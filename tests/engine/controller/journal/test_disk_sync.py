"""When the journal is forced to the disk, and that a killed process loses nothing either way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.controller.journal.disk_sync import SYNC_SECONDS
from tests.engine.controller.journal.journal_builders import again, end, names, open_journal, settled
from tests.waiting import GUARD_SECONDS, block_until

ROOT = Path(__file__).parents[4]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files and folders that were forced to the disk."""
    forced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        forced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    monkeypatch.setattr("engine.controller.journal.disk_sync.os.fsync", noted)
    return forced


def test_with_interval_a_second_of_lines_is_one_sync(tmp_path: Path, synced: list[str]) -> None:
    """With the folder, for the file's name.  What was written last is synced when the journal is closed."""
    journal, _ = open_journal(tmp_path / "journal", sync="interval")
    journal.beat(10.0)
    assert synced == []
    for number in range(3):
        end(journal, settled(f"w{number}"))
    journal.beat(11.0)
    block_until(lambda: synced == ["journal", tmp_path.name])
    end(journal, settled("w3"))

    def went_on() -> bool:
        journal.beat(11.0 + SYNC_SECONDS)  # as soon as the first one is seen to have ended
        return len(synced) == 4

    block_until(went_on)
    end(journal, settled("w4"))
    journal.beat(11.0 + 1.5 * SYNC_SECONDS)
    assert len(synced) == 4
    journal.close()
    assert synced == ["journal", tmp_path.name] * 3


def test_a_file_that_was_turned_over_is_synced_too(tmp_path: Path, synced: list[str]) -> None:
    """Its last lines are as young as those of the next one."""
    journal, _ = open_journal(tmp_path / "journal", sync="interval", max_bytes=100)
    end(journal, settled("w0"), settled("w1"))
    journal.close()
    assert sorted(synced) == sorted(["journal", "journal.1", tmp_path.name, tmp_path.name])


def test_with_always_a_line_is_on_the_disk_before_it_is_answered(tmp_path: Path, synced: list[str]) -> None:
    """Each one."""
    journal, _ = open_journal(tmp_path / "journal", sync="always")
    for number in range(3):
        end(journal, settled(f"w{number}"))
        assert len(synced) == number + 1
    journal.close()


def test_with_never_it_is_left_to_the_system(tmp_path: Path, synced: list[str]) -> None:
    """Not even at the end."""
    journal, _ = open_journal(tmp_path / "journal", sync="never")
    end(journal, settled())
    journal.beat(100.0)
    journal.close()
    assert synced == []


WRITER = """
import os, signal, sys
from pathlib import Path
from tests.engine.controller.journal.journal_builders import open_journal, record
journal, _ = open_journal(Path(sys.argv[1]), sync="never")
journal.accepted(record("accepted"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_accepted_survives_a_kill_whatever_the_policy(tmp_path: Path) -> None:
    """The line is the kernel's before the client hears of it."""
    path = tmp_path / "journal"
    done = subprocess.run([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, timeout=GUARD_SECONDS)
    assert done.returncode == -signal.SIGKILL
    assert names(again(path)) == ["accepted"]
