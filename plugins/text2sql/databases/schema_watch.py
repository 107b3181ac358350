"""Databases that come back, and schemas that change, while a server runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from plugins.text2sql.databases.database_registry import DatabaseRegistry

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 5.0
_END_SECONDS = 1.0


class SchemaWatch:
    """Refreshes every database of ``registry`` again and again, in a thread of its own.

    ``changed`` is called there with the name of a database whose schema is another one, to make at once
    what the next question would wait for.
    """

    def __init__(
        self,
        registry: DatabaseRegistry,
        period_seconds: float = PERIOD_SECONDS,
        changed: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._registry = registry
        self._changed = changed
        self._period = period_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="schema-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; a look that is under way may take longer, and changes nothing that matters then."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)

    def _watch(self) -> None:
        while not self._over.wait(self._period):
            for state in self._registry.states():
                if self._over.is_set():
                    return
                try:
                    if self._registry.refresh(state.name):
                        logger.info("the schema of database %r was read again", state.name)
                        self._changed(state.name)
                except Exception:  # one database's trouble is none of the others'
                    logger.exception("database %r can't be looked at", state.name)
