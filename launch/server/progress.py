"""What the launcher prints: a live table on a terminal while it starts, otherwise one line per stage."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.live import Live
from rich.table import Table

from launch.server.child import ChildStage


class Progress:
    """One line per stage on standard output; problems go to standard error."""

    def stage(self, label: str, status: ChildStage) -> None:
        """Show that the process ``label`` has reached a stage."""
        print(f"{label}: {status.stage} ({status.seconds:.1f} s)", flush=True)

    def say(self, sentence: str) -> None:
        """Print ``sentence``."""
        print(sentence, flush=True)

    def problem(self, sentence: str) -> None:
        """Print what went wrong."""
        print(f"sluice: {sentence}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End any live display; what is shown later is printed line by line."""


class LiveProgress(Progress):
    """A table of all processes that is rewritten in place until :meth:`close`."""

    def __init__(self, console: Console | None = None) -> None:
        self._stages: dict[str, list[ChildStage]] = {}
        self._live = Live(console=console or Console())
        self._closed = False

    def stage(self, label: str, status: ChildStage) -> None:
        """Update the row of ``label``."""
        if self._closed:
            super().stage(label, status)
            return
        self._stages.setdefault(label, []).append(status)
        self._live.start()  # does nothing from the second time on
        self._live.update(self._table())

    def say(self, sentence: str) -> None:
        """Print ``sentence`` before the table's first row or after its last."""
        self.close()
        super().say(sentence)

    def problem(self, sentence: str) -> None:
        """Print what went wrong after the table."""
        self.close()
        super().problem(sentence)

    def close(self) -> None:
        """Leave the table, if there is one by now, as it stands."""
        if self._stages:
            self._live.stop()
            self._closed = True

    def _table(self) -> Table:
        table = Table("process", "stage", "seconds", "so far", box=None, header_style="dim")
        for label, statuses in self._stages.items():
            last = statuses[-1]
            colour = {"ready": "green", "failed": "red"}.get(last.stage, "yellow")
            earlier = " → ".join(status.stage for status in statuses[:-1])
            table.add_row(label, f"[{colour}]{last.stage}[/]", f"{last.seconds:.1f}", earlier)
        return table


def choose_progress(logs: bool) -> Progress:
    """Return a live table on a terminal, unless ``logs`` are shown between the stages."""
    return LiveProgress() if sys.stdout.isatty() and not logs else Progress()
