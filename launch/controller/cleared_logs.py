"""The controller's log, in which no password of a database's address stands."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from plugins.text2sql.databases.address import cleared


class ClearedFormatter(logging.Formatter):
    """Formats lines and tracebacks, of libraries too, without the passwords in ``addresses``."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._addresses = tuple(addresses)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of ``record``, its traceback behind it."""
        return cleared(super().format(record), self._addresses)


def log_to_stderr(level: str, addresses: Sequence[str]) -> None:
    """Send everything from ``level`` on to standard error, cleared of the passwords in ``addresses``."""
    handler = logging.StreamHandler()
    handler.setFormatter(ClearedFormatter(addresses))
    logging.basicConfig(level=level.upper(), handlers=[handler])
