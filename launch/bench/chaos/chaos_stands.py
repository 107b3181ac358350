"""The servers that faults are injected into, each with clients that keep asking."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from engine.sglang.variables import LINK_VIA
from launch.bench.chaos.chaos_clients import asking
from launch.bench.chaos.chaos_server import chaos_server
from launch.bench.chaos.fault import Stand
from launch.bench.chaos.link_proxy import LinkProxy, link_proxy
from launch.bench.chaos.outside_faults import OTHER_DATABASE, STATEMENT
from launch.bench.cost.probe_load import BenchError
from launch.bench.databases.local_server import running
from launch.bench.databases.postgresql_server import PostgresqlServer
from launch.checks import free_port
from launch.demo_assets import DEMO_DATABASE, build_demo_database, demo_database, demo_model

SIMULATED, LINKED, DATABASE, JOURNAL, REAL = "simulated", "linked", "database", "journal", "real"
STANDS = {
    SIMULATED: "two simulated runtimes",
    LINKED: "two simulated runtimes that join over TCP, each through a proxy",
    DATABASE: "two simulated runtimes, a PostgreSQL database beside SQLite's",
    JOURNAL: "two simulated runtimes, --journal /dev/full",
    REAL: "two SGLang runtimes on CPU, the embedded model",
}
_RUNTIMES = ("sim-0", "sim-1")
_SHORT = ("--candidates", "1", "--max-revisions", "0")
"""Questions of a few calls each."""
_TABLE = (
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER);"
    "INSERT INTO orders SELECT i, i FROM generate_series(1, 100) AS g (i)"
)


@contextmanager
def stand_of(kind: str) -> Iterator[Stand]:
    """Start what a fault of this ``STAND`` needs; end all of it on leaving.

    Raises:
        BenchError: a server doesn't start.
        ServerFailedError: PostgreSQL doesn't start.
    """
    with ExitStack() as stack:
        enter = stack.enter_context
        folder = Path(enter(tempfile.TemporaryDirectory(prefix="faults-")))
        if kind == REAL:
            server = enter(chaos_server(("--cpu-slots", "2", *_SHORT), simulated=False))
            clients = enter(asking(server.url, [DEMO_DATABASE], callers=2, askers=1))
            yield Stand(server, clients, folder)
            return
        build_demo_database()
        (folder / "text").write_text(STATEMENT)
        model = _copied_model(folder / "model")
        names = [DEMO_DATABASE]
        arguments = [*_SHORT, "--model-path", str(model)]
        arguments += ["--database", f"{DEMO_DATABASE}={demo_database()}"]
        database = None
        if kind == JOURNAL:
            arguments += ["--journal", "/dev/full"]
        elif kind == DATABASE:
            database = enter(_postgresql())
            names.append(OTHER_DATABASE)
            arguments += ["--database", f"{OTHER_DATABASE}={database.address(OTHER_DATABASE)}"]
        heeded = [
            part for name in ("hang", "slow", "text") for part in (f"--{name}-file", str(folder / name))
        ]
        proxies, environment = dict[str, LinkProxy](), dict[str, str]()
        if kind == LINKED:
            port = free_port()
            arguments += ["--link", "tcp", "--link-port", str(port)]
            proxies = {name: enter(link_proxy(port)) for name in _RUNTIMES}
            environment[LINK_VIA] = ",".join(f"{name}={proxies[name].endpoint}" for name in proxies)
        server = enter(chaos_server([*arguments, "--", *heeded], simulated=True, environment=environment))
        clients = enter(asking(server.url, names))
        yield Stand(server, clients, folder, model, database, proxies)


def _copied_model(folder: Path) -> Path:
    """Return a folder with the embedded model's files, which may be taken away."""
    folder.mkdir()
    for file in Path(demo_model()).iterdir():
        (folder / file.name).symlink_to(file)
    return folder


@contextmanager
def _postgresql() -> Iterator[PostgresqlServer]:
    if missing := PostgresqlServer.missing():
        raise BenchError(missing)
    with running(PostgresqlServer) as server:
        server.create(OTHER_DATABASE)
        server.script(_TABLE, OTHER_DATABASE)
        yield server
