"""Stop patterns in a syntax that is matched in linear time: RE2's.

Python's ``re``, which SGLang uses, takes exponential time for some patterns, and its scheduler serves nobody
meanwhile.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

_MOST_BYTES = 1 << 20
"""What one compiled pattern may take."""
_KEPT = 256


@lru_cache(maxsize=_KEPT)
def linear(pattern: str) -> Any:
    """Return ``pattern`` compiled by RE2.

    Raises:
        ValueError: it isn't in RE2's syntax, or too large; the message says what is wrong.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_BYTES
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else reason) from error


class LinearRe:
    """Stands in for the module ``re`` where a user's patterns are searched for."""

    error = re.error

    @staticmethod
    def search(pattern: str, text: str) -> Any:
        """Return the first match of ``pattern`` in ``text``, in time linear in both; ``None`` without one.

        Raises:
            re.error: the pattern isn't in RE2's syntax.
        """
        try:
            return linear(pattern).search(text)
        except ValueError as error:
            raise re.error(str(error)) from error
