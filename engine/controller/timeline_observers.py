"""Who wants to know what was decided and how it ended."""

from __future__ import annotations

from typing import Protocol

from engine.controller.calls import PendingCall
from engine.controller.timeline import WorkflowRecord


class TimelineObserver(Protocol):
    """Is told of the life of calls and workflows, in the controller's event loop.

    A method returns at once, raises nothing and changes nothing of what it is shown.
    """

    def call_sent(self, call: PendingCall) -> None:
        """``call`` is being sent to the runtime in its entry, for the reason in ``entry.decision``."""
        ...

    def call_settled(self, call: PendingCall) -> None:
        """``call`` has reached the terminal state in its entry; ``answer`` is set if it finished."""
        ...

    def workflow_settled(self, record: WorkflowRecord) -> None:
        """The workflow of ``record`` has ended."""
        ...

    def close(self) -> None:
        """Nothing more will happen; this alone may take seconds."""
        ...


class TimelineObservers:
    """Tells each of several observers, in their order."""

    def __init__(self, *observers: TimelineObserver) -> None:
        self._observers = observers

    def call_sent(self, call: PendingCall) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.call_sent(call)

    def call_settled(self, call: PendingCall) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.call_settled(call)

    def workflow_settled(self, record: WorkflowRecord) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.workflow_settled(record)

    def close(self) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.close()


NOBODY = TimelineObservers()
