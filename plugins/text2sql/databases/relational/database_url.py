"""The URL of a database, with its secrets from the environment.

``postgresql://reader:${SHOP_PASSWORD}@host/shop`` stands in configurations and command lines as it is; the
variable is read when the database is opened, and its value is never shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from plugins.text2sql.databases.address import is_secret
from sched.errors import ConfigError

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_]\w*")
_SHORTEST_HIDDEN = 4


def database_url(address: str, environment: Mapping[str, str] = os.environ) -> sa.URL:
    """Return ``address`` as a URL; ``${NAME}`` in any part stands for the variable ``NAME``.

    Raises:
        ConfigError: it is no URL, or a variable isn't set; the message doesn't show the address.
    """
    for name in _VARIABLE.findall(address):
        if not _NAME.fullmatch(name) or name not in environment:
            raise ConfigError(f"the environment has no variable {name!r}; set it", field="databases")
    # Replaced after the URL has been taken apart: a value may hold any character.
    try:
        url = sa.make_url(_VARIABLE.sub(lambda match: f"%24%7B{match[1]}%7D", address))
    except (ArgumentError, ValueError):
        raise ConfigError(
            "this is no URL; write kind://user:${PASSWORD_VARIABLE}@host:port/database", field="databases"
        ) from None

    def filled(text: str) -> str:
        plain = text.replace("%24%7B", "${").replace("%7D", "}")
        return _VARIABLE.sub(lambda match: environment[match[1]], plain)

    parts: dict[str, Any] = {
        name: part and filled(part)
        for name in ("username", "password", "host", "database")
        for part in [getattr(url, name)]
    }
    query = {
        name: filled(value) if isinstance(value, str) else tuple(map(filled, value))
        for name, value in url.query.items()
    }
    return url.set(**parts, query=query)


def without_secrets(message: str, url: sa.URL) -> str:
    """Return a driver's ``message`` in one line, without the passwords of ``url`` should they stand there."""
    line = " ".join(message.split())
    said = [value for name, values in url.normalized_query.items() if is_secret(name) for value in values]
    for password in (url.password, *said):
        if password and len(password) >= _SHORTEST_HIDDEN:
            line = line.replace(password, "…")
    return line
