"""What the user gives as a database: the path of a file, or an address with the name of its kind.

An address may hold a password.  What is printed, logged or answered goes through :func:`shown` if it is an
address, and through :func:`cleared` if it is a message in which one may stand (and through
:func:`without_folders` on its way to a client); what is to be used as a
setting again, through :func:`masked`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_SECRET = re.compile(r":.*@|\?.*", re.DOTALL)
_USER = re.compile(r"://(?P<user>[^:]*):(?P<password>.*)@", re.DOTALL)
_PASSWORD = re.compile(r"(://[^/:@]*:)(.*)(?=@)", re.DOTALL)
_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^/\s\"'`]+/)+(?=[^/\s\"'`])")
_VARIABLE = re.compile(r"\$\{\w+\}")
_TELLING_NAME = r"\w*(?:pass|pwd|secret|token|key)\w*"
_TELLING = re.compile(_TELLING_NAME, re.IGNORECASE)
_PARAMETER = re.compile(rf"([?&](?!ssl_?key=){_TELLING_NAME}=)([^&]*)", re.IGNORECASE)  # sslkey is a file


def scheme(address: str) -> str | None:
    """Return ``"x"`` of ``x://…`` in small letters; ``None`` of a path."""
    match = _SCHEME.match(address)
    return match[1].lower() if match else None


def is_secret(parameter: str) -> bool:
    """Return whether the value of a ``parameter`` with this name may be a password."""
    return _TELLING.search(parameter) is not None


def shown(address: str) -> str:
    """Return ``address`` for a message, without what may be a password: before an ``@`` or after a ``?``."""
    return _SECRET.sub("…", address)


def masked(address: str) -> str:
    """Return ``address`` with ``***`` for a password in it; the name of a variable stays: ``${NAME}``."""

    def hidden(match: re.Match[str]) -> str:
        return match[0] if _VARIABLE.fullmatch(match[2]) or not match[2] else f"{match[1]}***"

    return _PARAMETER.sub(hidden, _PASSWORD.sub(hidden, address)) if scheme(address) else address


def cleared(message: str, addresses: Iterable[str]) -> str:
    """Return ``message`` with each of ``addresses`` as it is :func:`shown`, and without their passwords.

    A driver may repeat either.  Paths stay as they are.
    """
    for address in filter(scheme, addresses):
        message = message.replace(address, shown(address))
        for password in _passwords(address):
            message = re.sub(rf"(?<!\w){re.escape(password)}(?!\w)", "…", message)
    return message


def without_folder(message: str, address: str) -> str:
    """Return ``message``, which may name the file at ``address``, without that file's folder."""
    file = Path(address.partition("://")[2].removeprefix("/") if scheme(address) else address)
    return message.replace(f"{file.parent}/", "") if file.is_absolute() else message


def without_folders(message: str, address: str) -> str:
    """Return ``message``, of the database at ``address``, for clients: files are named without folders.

    Not for what is said of a statement, in which a division may look like a folder.
    """
    return _FOLDERS.sub("", without_folder(message, address))  # the file's own may have blanks


def _passwords(address: str) -> Iterator[str]:
    """Yield the passwords in ``address``, as they are written there and as they are meant."""
    before, _, query = address.partition("?")
    # A password may have a question mark, too.
    found = [match["password"] for part in (address, before) if (match := _USER.search(part))]
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if is_secret(name):
            found.append(value)
    for password in dict.fromkeys(found):
        yield from filter(None, dict.fromkeys((password, unquote(password))))
