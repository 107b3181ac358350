"""A disk that is full, fails or is gone: the journal says so, goes on, and makes good what it missed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engine.controller.journal import unwritten
from engine.controller.journal.journal import RETRY_SECONDS
from engine.controller.journal.lines import ended_line
from tests.engine.controller.journal.journal_builders import (
    Beats,
    again,
    end,
    full_disk,
    names,
    open_journal,
    record,
    said,
    settled,
)


def test_a_full_disk_is_said_once_and_what_it_missed_is_written_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of the line that had no room stays in the file."""
    path = tmp_path / "journal"
    journal, _ = open_journal(path)
    beats = Beats(journal)
    journal.accepted(record("open"))
    end(journal, settled("before"))
    written = path.read_bytes()
    with full_disk(len(written) + 100):
        for number in range(3):
            journal.accepted(record(f"open{number}"))
            end(journal, settled(f"w{number}"))
            beats.pass_by(20.0)
        assert path.read_bytes() == written
        assert journal.trouble == os.strerror(errno.EFBIG)
        assert journal.unwritten == 3
        assert said(caplog) == ["ERROR"]
        assert journal.find("w1") == ended_line(settled("w1"), 103.0)
    beats.pass_by(RETRY_SECONDS + 1.0)
    assert journal.trouble is None
    assert journal.unwritten == 0
    assert said(caplog) == ["ERROR", "WARNING"]
    assert journal.find("w1") == ended_line(settled("w1"), 103.0)
    end(journal, settled("after"))
    journal.close()
    told = again(path)
    assert names(told) == ["before", "w0", "w1", "w2", "after", "open", "open0", "open1", "open2"]
    assert not (tmp_path / "journal.bad").exists()


def test_a_disk_that_is_full_for_good_is_tried_at_a_pace(caplog: pytest.LogCaptureFixture) -> None:
    """A device that is always full: it is said once, however long it lasts and whatever is recorded."""
    journal, _ = open_journal(Path("/dev/full"))
    beats = Beats(journal)
    tries: list[int] = []
    write = os.write

    def counted(descriptor: int, data: bytes) -> int:
        tries.append(descriptor)
        return write(descriptor, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.controller.journal.journal_file.os.write", counted)
        for number in range(50):
            journal.accepted(record(f"w{number}"))
            end(journal, settled(f"w{number}"))
            beats.pass_by(10.0)
    assert 1 + 50 <= len(tries) <= 2 + 500 / RETRY_SECONDS
    assert journal.trouble == os.strerror(errno.ENOSPC)
    assert said(caplog) == ["ERROR"]
    journal.close()


def test_a_controller_starts_on_a_full_disk(tmp_path: Path) -> None:
    """It knows what ended, and what was lost with its forerunner, and says so later to the next one."""
    path = tmp_path / "journal"
    journal, _ = open_journal(path)
    end(journal, settled("done"))
    journal.accepted(record("lost"))
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"torn')
    with full_disk(10):
        journal, restored = open_journal(path)
        assert names(restored) == ["done", "lost"]
        assert journal.trouble is not None
        end(journal, settled("next"))
    Beats(journal).pass_by(2 * RETRY_SECONDS)
    assert journal.trouble is None
    journal.close()
    assert names(again(path)) == ["done", "lost", "next"]


def test_what_waits_for_the_disk_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The oldest are given up, and their number is said."""
    line = ended_line(settled("w00"), 103.0)
    monkeypatch.setattr(unwritten, "MOST_BYTES", 3 * len(line))
    journal, _ = open_journal(tmp_path / "journal")
    beats = Beats(journal)
    with full_disk(0):
        for number in range(10):
            end(journal, settled(f"w{number:02}"))
        assert journal.unwritten == 3
        beats.pass_by(2 * RETRY_SECONDS)
    beats.pass_by(2 * RETRY_SECONDS)
    assert "7 ended workflows are missing" in caplog.text
    journal.close()
    assert names(again(tmp_path / "journal")) == ["w07", "w08", "w09"]


def test_an_id_that_comes_again_during_an_outage_is_open(tmp_path: Path) -> None:
    """Its earlier life ends before its present one begins."""
    path = tmp_path / "journal"
    journal, _ = open_journal(path)
    with full_disk(0):
        journal.accepted(record("again"))
        end(journal, settled("again"))
        journal.accepted(record("again", started_at=110.0))
    Beats(journal).pass_by(2 * RETRY_SECONDS)
    journal.close()
    finished, lost = again(path)
    assert (finished.state, lost.state, lost.started_at) == ("finished", "failed", 110.0)


def test_a_full_disk_when_the_file_turns_over_costs_nothing(tmp_path: Path) -> None:
    """Both files stay as they are until there is room for the next."""
    path = tmp_path / "journal"
    room = 3 * len(ended_line(settled("w0"), 103.0))
    journal, _ = open_journal(path, max_bytes=2 * room)
    journal.accepted(record("open"))
    end(journal, settled("w0"), settled("w1"))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with full_disk(100):
        end(journal, settled("turning"))
        assert journal.trouble is not None
        assert {name: (tmp_path / name).read_bytes() for name in before} == before
    Beats(journal).pass_by(2 * RETRY_SECONDS)
    assert journal.trouble is None
    journal.close()
    assert names(again(path))[-2:] == ["turning", "open"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["journal", "journal.1"]


@pytest.mark.parametrize("sync", ["interval", "always"])
def test_a_sync_that_fails_has_everything_written_again(
    tmp_path: Path, sync: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel may have dropped what it could not bring to the disk: another write doesn't mend that."""
    path = tmp_path / "journal"
    journal, _ = open_journal(path, sync=sync)
    beats = Beats(journal)
    fails = True

    def fsync(descriptor: int) -> None:
        if fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("engine.controller.journal.disk_sync.os.fsync", fsync)
    end(journal, settled("w0"))
    beats.reach(lambda: journal.trouble == os.strerror(errno.EIO))
    first = path.stat().st_ino
    beats.reach(lambda: path.stat().st_ino != first)
    end(journal, settled("w1"))
    beats.pass_by(20 * RETRY_SECONDS)
    assert journal.trouble == os.strerror(errno.EIO)
    assert said(caplog) == ["ERROR"]
    fails = False
    beats.reach(lambda: journal.trouble is None)
    assert said(caplog) == ["ERROR", "WARNING"]
    journal.close()
    assert names(again(path))[:2] == ["w0", "w1"]


def test_a_turn_that_fails_half_way_is_finished_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The full file has its new name, and the next one can't take its place."""
    path = tmp_path / "journal"
    journal, _ = open_journal(path, max_bytes=4 * len(ended_line(settled("w0"), 103.0)))
    beats = Beats(journal)
    end(journal, *(settled(f"w{number}") for number in range(6)))
    replace = Path.replace

    def fails(source: Path, target: Path) -> Path:
        if target == path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        end(journal, settled("w6"))
        assert journal.trouble == os.strerror(errno.EIO)
        beats.pass_by(3 * RETRY_SECONDS)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["journal.1"]
    beats.pass_by(3 * RETRY_SECONDS)
    assert journal.trouble is None
    journal.close()
    assert names(again(path)) == ["w4", "w5", "w6"]
