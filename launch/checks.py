"""Checks of the place and the address a server is started on, and what failing them means for a command."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from sched.errors import ConfigError

LINK_HOST = "127.0.0.1"
"""Where the controller listens for workers that join over TCP."""
CHECKOUT = Path(__file__).parent.parent


def check_folder(folder: Path) -> None:
    """Refuse to run elsewhere than in the checkout: the packages are found through the current folder.

    Raises:
        ConfigError: says where to go.
    """
    if folder.resolve() != CHECKOUT.resolve():
        raise ConfigError(f"Sluice runs from its checkout: cd {CHECKOUT} and start it again")


def checked(command: Callable[[], int], stopped: str | None = None) -> int:
    """Run a command line's ``command`` in the checkout and return its exit code.

    2 for wrong input and 130 if it is interrupted; why is told on standard error, ``stopped`` then.
    """
    try:
        check_folder(Path.cwd())
        return command()
    except ConfigError as error:
        print(f"sluice: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if stopped is not None:
            print(stopped, file=sys.stderr)
        return 130


def check_port(host: str, port: int, flag: str = "--port") -> None:
    """Refuse an address that can't be listened on; ``flag`` is what sets the port.

    Raises:
        ConfigError: in use, not allowed, or not an address of this machine.
    """
    field = flag.removeprefix("--").replace("-", "_")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror as error:
        raise ConfigError(
            f"--host {host} is unknown ({error.strerror}): give an address of this machine", field="host"
        ) from error
    except PermissionError as error:
        raise ConfigError(
            f"port {port} is reserved: choose one above 1023 with {flag}", field=field
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} on {host} is in use: choose another with {flag}"
            raise ConfigError(message, field=field) from error
        raise ConfigError(
            f"--host {host} can't be listened on ({error.strerror}): give an address of this machine",
            field="host",
        ) from error


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of ``host`` that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; failing here gives one clear sentence, failing in uvicorn an exit.

    Raises:
        OSError: the address is in use or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)
