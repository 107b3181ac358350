"""``python -m launch.mcp``: the databases of a running server as MCP tools, on stdio or over HTTP."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence

from launch.checks import checked
from launch.client.async_sluice_client import AsyncSluiceClient
from launch.mcp.database_tools import mcp_server
from sched.errors import ConfigError

_LOCAL = "http://127.0.0.1:30000"
_QUIET_SECONDS = 600.0
"""A question may be silent for so long between two of its steps."""
_HIGHEST_PORT = 65_535
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until the client goes away or the process is interrupted, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m launch.mcp", description=__doc__)
    parser.add_argument(
        "--server", metavar="URL", default=_LOCAL, help="the running server (default: %(default)s)"
    )
    parser.add_argument(
        "--http", metavar="HOST:PORT", help="serve at http://HOST:PORT/mcp, HOST this machine's own"
    )
    arguments = parser.parse_args(argv)
    return checked(lambda: _serve(arguments))


def _serve(arguments: argparse.Namespace) -> int:
    address = None if arguments.http is None else loopback(arguments.http)
    # The protocol has standard output for itself.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    try:
        asyncio.run(_run(arguments.server, address))
    except KeyboardInterrupt:
        return 0
    return 0


async def _run(url: str, address: tuple[str, int] | None) -> None:
    async with AsyncSluiceClient(url, timeout_seconds=_QUIET_SECONDS) as client:
        server = mcp_server(client)
        if address is None:
            await server.run_stdio_async()
        else:
            host, port = address
            # On a host of this machine, requests whose Host or Origin is another's are refused.
            await server.run_streamable_http_async(host=host, port=port)


def loopback(text: str) -> tuple[str, int]:
    """Return host and port of ``text``; tools have no password, so only this machine may reach them.

    Raises:
        ConfigError: it is another host, or no address.
    """
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not (host and port.isdecimal() and 0 < int(port) <= _HIGHEST_PORT):
        raise ConfigError(f"--http takes HOST:PORT, such as 127.0.0.1:8000, not {text!r}", field="http")
    if host not in _LOOPBACK:
        raise ConfigError(
            f"--http listens on 127.0.0.1, ::1 or localhost only, not on {host!r}: it asks for no password; "
            "for other machines put a proxy that does in front of it",
            field="http",
        )
    return host, int(port)
