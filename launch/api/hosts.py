"""By which names the server may be asked to do something: a web page elsewhere must not make a browser do it.

A page of another site can send requests to a server that only the browser's machine reaches, and make its own
name point here (DNS rebinding), so that the browser takes the server for the page's own.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers

ANY = "*"
_ONLY_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class AllowedHosts:
    """Knows the names of the server: ``host``, which it listens on, the machine's, and ``others``.

    ``others`` are names without port, or ``*`` for any.
    """

    def __init__(self, host: str, others: Sequence[str] = ()) -> None:
        self._any = ANY in others
        self._names = {name.lower() for name in (host, socket.gethostname(), *others)}
        self._others = {name.lower() for name in others}

    def complaint(self, method: str, headers: Headers) -> str | None:
        """Return why a request must be refused, with the remedy; ``None`` if it needn't be."""
        if self._any or method in _ONLY_READS:
            return None
        host = headers.get("host", "")
        name = _name(f"//{host}")
        if host and not self._knows(name):
            return _refusal("Host", host, name)
        origin = headers.get("origin")
        if origin is None:
            return None
        page = _name(origin)
        same = origin.partition("://")[2].lower() == host.lower()
        return None if page and (same or page in self._others) else _refusal("Origin", origin, page)

    def _knows(self, name: str) -> bool:
        return name in self._names or name == "localhost" or name.endswith(".localhost") or _is_address(name)


def _refusal(header: str, value: str, name: str) -> str:
    remedy = f"if it may, start the server with --allowed-hosts {name}" if name else "leave the header out"
    return f"the header {header} has {value[:200]!r}, which may not ask this server for anything: {remedy}"


def _name(url: str) -> str:
    """Return the host of ``url`` in small letters; empty if there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """Whether ``name`` is an IP address: no page of another site is known by this machine's."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
