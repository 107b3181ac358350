"""Who removes the folder of a server whose launcher is gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from engine.wire.shared_folder import SharedFolder

ROOT = Path(__file__).parents[3]
OTHER = """
import sys
from engine.wire.shared_folder import SharedFolder
folder = SharedFolder(sys.argv[1])
print("there", flush=True)
sys.stdin.read()
"""


def test_the_last_one_removes_it(tmp_path: Path) -> None:
    """One that was killed is there no more."""
    folder = tmp_path / "shared"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "file").touch()
    first, second = SharedFolder(str(folder)), SharedFolder(str(folder))
    killed = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"there\n"
    first.leave()
    assert folder.exists()
    killed.kill()
    killed.communicate()
    assert folder.exists()
    second.leave()
    assert not folder.exists()
    second.leave()


def test_without_a_folder_nothing_is_removed() -> None:
    """A worker of a test or a measurement has none."""
    SharedFolder(None).leave()
