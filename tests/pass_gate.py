"""A gate before the forward passes of real runtimes: no test counts on calls that last "long enough".

Here is the test's end: it holds, paces and releases.  ``tests/pass_gate_plugin.py`` obeys inside SGLang's
scheduler processes.  A held scheduler makes no pass but goes on receiving: calls, aborts and new keys reach
its queue.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.waiting import eventually

VARIABLE = "SLUICE_TEST_GATE"
"""Names the folder in which a test and the plugin meet."""
ORDER = "order.json"
"""What the test wants: ``{"hold": true}`` or ``{"pass_seconds": 0.1}``; without the file the gate is open."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the scheduler process ``pid`` last wrote of itself.

    ``waiting`` and ``running`` count requests, ``new_keys`` the keys that came for waiting ones.
    ``admitted`` holds each request that has begun since the gate was last closed, in that order, told by its
    ``max_new_tokens``.
    """

    pid: int
    waiting: int
    running: int
    new_keys: int
    admitted: tuple[int, ...]


class Gate:
    """The gate of the runtimes that are started with :meth:`environment`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        add_plugin(folder / "site", "sluice_test_gate", "tests.pass_gate_plugin:register")

    def environment(self) -> dict[str, str]:
        """Return what SGLang's processes need to find the plugin."""
        path = os.pathsep.join(filter(None, [str(self.folder / "site"), os.environ.get("PYTHONPATH")]))
        return {VARIABLE: str(self.folder), "PYTHONPATH": path}

    def seen(self) -> list[Seen]:
        """Return what each running scheduler process last wrote, in no order."""
        found = []
        for pid in self.pids():
            values = json.loads((self.folder / f"seen-{pid}.json").read_text(encoding="utf-8"))
            found.append(Seen(pid=pid, **(values | {"admitted": tuple(values["admitted"])})))
        return found

    def pids(self) -> list[int]:
        """Return the ids of the scheduler processes that have written something and still run."""
        pids = [int(path.stem.removeprefix("seen-")) for path in self.folder.glob("seen-*.json")]
        return [pid for pid in pids if psutil.pid_exists(pid)]

    def until(self, condition: Callable[[list[Seen]], bool]) -> list[Seen]:
        """Wait until the schedulers say what ``condition`` asks for, and return it."""
        assert eventually(lambda: condition(self.seen())), self.seen()
        return self.seen()

    def until_received(self, calls: int) -> None:
        """Wait until at least ``calls`` calls wait or run inside the runtimes."""
        self.until(lambda seen: sum(one.waiting + one.running for one in seen) >= calls)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold every runtime before its next pass: what is sent from here on waits in SGLang's queue.

        That needs no answer, since a scheduler looks at the gate after it has taken in what came.
        """
        with self._ordered({"hold": True}):
            yield

    @contextmanager
    def paced(self, pass_seconds: float = 0.1) -> Iterator[None]:
        """Make each pass wait so long: a call of 2,000 tokens lasts minutes on the fastest machine."""
        with self._ordered({"pass_seconds": pass_seconds}):
            yield

    @contextmanager
    def _ordered(self, order: dict[str, object]) -> Iterator[None]:
        path = self.folder / ORDER
        replace_text(path, json.dumps(order))
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def add_plugin(site: Path, name: str, function: str) -> None:
    """Have SGLang load ``function`` (``module:attribute``) as a plugin where ``site`` is on the path."""
    info = site / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[sglang.srt.plugins]\n{name} = {function}\n", encoding="utf-8")


def replace_text(path: Path, text: str) -> None:
    """Write ``text`` so that a reader finds all of it or what was there before."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
