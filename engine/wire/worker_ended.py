"""What the launcher tells the controller of a worker that ended: a line of JSON on its standard input."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnded:
    """The process ``pid`` of ``runtime`` ended: ``how``, in words.

    It is started again after ``restart_seconds``.  ``failed_starts``: it was not ready since so many starts.
    """

    pid: int
    runtime: str
    how: str
    failed_starts: int
    restart_seconds: float

    def to_message(self) -> dict[str, Any]:
        """Return the message as plain data."""
        return {"ended": asdict(self)}

    @classmethod
    def from_message(cls, message: Any) -> WorkerEnded:
        """Return what ``message`` says.

        Raises:
            KeyError: it is another message.
            TypeError: it is none.
        """
        return cls(**message["ended"])

    def describe(self) -> dict[str, Any]:
        """Return what ``/workers`` shows of it."""
        return {
            "ended": self.how,
            "failed_starts": self.failed_starts,
            "restart_seconds": self.restart_seconds,
        }
