"""Databases as the user names them: which kind opens one, and where it lies."""

from __future__ import annotations

from launch.shipped import database_registry
from plugins.text2sql.databases.address import cleared, scheme, shown
from plugins.text2sql.databases.database import Database
from sched.errors import ConfigError

_OF_PATHS = "sqlite"
_DRIVERS = {"mysql+pymysql": "mysql", "mariadb+pymysql": "mariadb"}
"""Schemes that SQLAlchemy's users write, with the driver that is used here anyway."""


def kind_name(address: str) -> str:
    """Return the name of the kind that opens ``address``, whether there is such a kind or not."""
    name = scheme(address) or _OF_PATHS
    return _DRIVERS.get(name, name)


def kind_of(name: str, address: str) -> type[Database]:
    """Return the kind that opens database ``name``: the one in front of ``://``, SQLite for a path.

    Raises:
        ConfigError: there is no such kind.
    """
    kinds = database_registry()
    kind = kind_name(address)
    if kind not in kinds.names():
        raise ConfigError(
            f"--database {name}: unknown kind of database {kind!r}; known: {', '.join(kinds.names())}",
            field="databases",
        )
    return kinds.load_class(kind)


def resolved(name: str, address: str) -> str:
    """Return the address of database ``name`` as it holds in every folder.

    Raises:
        ConfigError: it can't be right; no message shows a password in it.
    """
    kind = kind_of(name, address)
    try:
        return kind.resolve(address)
    except ConfigError as error:
        problem = cleared(error.message, [address])
        raise ConfigError(f"--database {name}={shown(address)}: {problem}", field="databases") from None
