"""What the user gives as a database: the path of a file, or an address with the name of its kind."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_PASSWORD = re.compile(r"(://[^/:@]*:)(.*)(?=@)", re.DOTALL)
_PARAMETER = re.compile(r"([?&]\w*password=)([^&]*)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{\w+\}")
_SECRET = re.compile(r":.*@|\?.*", re.DOTALL)


def scheme(address: str) -> str | None:
    """Return ``"x"`` of ``x://…`` in small letters; ``None`` of a path."""
    match = _SCHEME.match(address)
    return match[1].lower() if match else None


def shown(address: str) -> str:
    """Return ``address`` for a message, without what may be a password: before an ``@`` or after a ``?``."""
    return _SECRET.sub("…", address)


def masked(address: str) -> str:
    """Return ``address`` with ``***`` for a password in it; the name of a variable stays: ``${NAME}``."""

    def hidden(match: re.Match[str]) -> str:
        return match[0] if _VARIABLE.fullmatch(match[2]) or not match[2] else f"{match[1]}***"

    return _PARAMETER.sub(hidden, _PASSWORD.sub(hidden, address))
