"""Faults that a simulated runtime plays while a file is there."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from engine.worker.pulse import Pulse


class SimulatedFaults:
    """Takes ``hold_file`` and ``hang_file`` out of a runtime's arguments.

    A file holds or hangs every runtime, or the one of this ``name`` if it contains a name.
    """

    def __init__(self, name: str, arguments: MutableMapping[str, Any]) -> None:
        self._name = name
        self._hold = arguments.pop("hold_file", None)
        self._hang = arguments.pop("hang_file", None)
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

    def still_seconds(self) -> float:
        """Return for how long the scheduler has shown no sign of life."""
        return self._pulse.still_seconds()

    def _turn(self) -> int:
        """Count turns of a loop that is never idle; none while it hangs."""
        self._turns += not self.hangs
        return self._turns

    def _meant(self, file: str | None) -> bool:
        try:
            return file is not None and Path(file).read_text(encoding="utf-8") in ("", self._name)
        except FileNotFoundError:
            return False
