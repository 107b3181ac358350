"""Faults that a simulated runtime plays, and what it says, while a file is there."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from engine.worker.pulse import Pulse

SLOWER = 5.0


class SimulatedFaults:
    """Takes ``hold_file``, ``hang_file``, ``slow_file`` and ``text_file`` out of a runtime's arguments.

    A file holds, hangs or slows every runtime, or the one of this ``name`` if it contains a name.  The text
    is what every output says, instead of that it is simulated.
    """

    def __init__(self, name: str, arguments: MutableMapping[str, Any]) -> None:
        self._name = name
        self._hold = arguments.pop("hold_file", None)
        self._hang = arguments.pop("hang_file", None)
        self._slow = arguments.pop("slow_file", None)
        self._text = arguments.pop("text_file", None)
        self._turns = 0
        self._pulse = Pulse(self._turn, lambda: 0.0, lambda: 0.0)

    @property
    def holds(self) -> bool:
        """Whether outputs stay as they are, though the scheduler works."""
        return self._meant(self._hold)

    @property
    def hangs(self) -> bool:
        """Whether the scheduler stands still."""
        return self._meant(self._hang)

    @property
    def slower(self) -> float:
        """How many times as long everything takes now."""
        return SLOWER if self._meant(self._slow) else 1.0

    def text(self) -> str | None:
        """Return what outputs say from now on, ``None`` if it is left to the runtime."""
        return _read(self._text)

    def still_seconds(self) -> float:
        """Return for how long the scheduler has shown no sign of life."""
        return self._pulse.still_seconds()

    def _turn(self) -> int:
        """Count turns of a loop that is never idle; none while it hangs."""
        self._turns += not self.hangs
        return self._turns

    def _meant(self, file: str | None) -> bool:
        return _read(file) in ("", self._name)


def _read(file: str | None) -> str | None:
    try:
        return None if file is None else Path(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
