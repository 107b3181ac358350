"""The address of a MySQL or MariaDB database, and what the driver is told of it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from plugins.text2sql.databases.relational.database_url import database_url
from sched.errors import ConfigError

_PORT = 3306
_WORDS = {"true": True, "1": True, "false": False, "0": False}
_TEXTS = ("unix_socket", "ssl_ca", "ssl_cert", "ssl_key", "ssl_key_password")
_SWITCHES = ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity")


def mysql_url(address: str) -> sa.URL:
    """Return ``address`` as a URL; ``${NAME}`` in it stands for the variable ``NAME``.

    Raises:
        ConfigError: it is no URL, a variable isn't set, or an option is unknown; shows no address.
    """
    url = database_url(address)
    connecting(url)
    return url


def connecting(url: sa.URL) -> dict[str, Any]:
    """Return the driver's arguments that ``url`` gives.

    Raises:
        ConfigError: an option is unknown or has no value that it may have.
    """
    found: dict[str, Any] = {
        "host": url.host or "localhost",
        "port": url.port or _PORT,
        "user": url.username,
        # The driver would write a text in Latin-1.
        "password": (url.password or "").encode(),
        "database": url.database or None,
    }
    for name, value in url.query.items():
        if name in _TEXTS and isinstance(value, str):
            found[name] = value
        elif name in _SWITCHES and isinstance(value, str) and value.lower() in _WORDS:
            found[name] = _WORDS[value.lower()]
        elif name in _SWITCHES:
            raise ConfigError(f"{name} in the address is true or false", field="databases")
        else:
            known = ", ".join(sorted((*_TEXTS, *_SWITCHES)))
            raise ConfigError(f"the address takes no {name}; known: {known}", field="databases")
    return found
