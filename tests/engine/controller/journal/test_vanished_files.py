"""A journal whose files or folder somebody removed."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from engine.controller.journal.journal import RETRY_SECONDS
from tests.engine.controller.journal.journal_builders import (
    Beats,
    again,
    end,
    names,
    open_journal,
    record,
    said,
    settled,
)


@pytest.mark.parametrize("whole_folder", [True, False])
def test_files_that_vanish_are_written_anew(
    tmp_path: Path, whole_folder: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """All that stood in them is there again once the folder is; meanwhile it can be read."""
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "journal"
    journal, _ = open_journal(path, max_bytes=8_000)
    beats = Beats(journal)
    while not (folder / "journal.1").exists():
        end(journal, settled(f"w{journal.size}"))
    journal.accepted(record("open"))
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    if whole_folder:
        shutil.rmtree(folder)
    else:
        for file in folder.iterdir():
            file.unlink()
    beats.pass_by(1.0)
    assert journal.trouble is not None
    assert "has vanished" in journal.trouble
    end(journal, settled("meanwhile"))
    assert journal.find("meanwhile") is not None
    assert journal.find("w0") is not None
    if whole_folder:
        beats.pass_by(4 * RETRY_SECONDS)
        assert journal.trouble is not None
        folder.mkdir()
    beats.pass_by(2 * RETRY_SECONDS)
    assert journal.trouble is None
    assert said(caplog) == ["ERROR", "WARNING"]
    assert (folder / "journal.1").read_bytes() == before["journal.1"]
    assert path.read_bytes().startswith(before["journal"])
    assert journal.find("w0") is not None
    journal.close()
    assert names(again(path))[-2:] == ["meanwhile", "open"]


def test_a_file_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    """What lies where the journal was is not ours; when it goes, the journal comes back."""
    path = tmp_path / "journal"
    journal, _ = open_journal(path)
    beats = Beats(journal)
    end(journal, settled("mine"))
    path.unlink()
    path.write_bytes(b"theirs\n")
    beats.pass_by(3 * RETRY_SECONDS)
    assert journal.trouble == "another file has taken its place"
    assert path.read_bytes() == b"theirs\n"
    path.unlink()
    beats.pass_by(2 * RETRY_SECONDS)
    journal.close()
    assert names(again(path)) == ["mine"]


def test_a_folder_that_is_missing_at_the_start_is_no_end(tmp_path: Path) -> None:
    """A controller that is started again finds no folder; the launcher has checked it for the first one."""
    path = tmp_path / "run" / "journal"
    journal, restored = open_journal(path)
    assert (journal.trouble, restored) == (os.strerror(errno.ENOENT), [])
    end(journal, settled("first"))
    path.parent.mkdir()
    Beats(journal).pass_by(2 * RETRY_SECONDS)
    assert journal.trouble is None
    journal.close()
    assert names(again(path)) == ["first"]
