"""The servers that are asked: running ones, or one after the other started for each kind of workflow."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import tomli_w
from rich.console import Console

from launch.ask.local import local_server
from launch.bench.accuracy.benchmarks.benchmark import Benchmark, BenchmarkDatabase
from launch.bench.cost.probe_load import BenchError
from sched.errors import ConfigError

_LOOK_SECONDS = 30.0
_FLUSH_SECONDS = 60.0
_FLAGS_SHOWN = 20


def server_config(databases: Mapping[str, BenchmarkDatabase], base: Path | None = None) -> str:
    """Return a server's configuration in TOML, with all ``databases`` and what is said of their columns.

    ``base`` is a file with further settings.

    Raises:
        ConfigError: ``base`` can't be read.
    """
    settings = _settings(base) if base else {}
    settings["databases"] = {name: str(database.file.resolve()) for name, database in databases.items()}
    described = {
        name: {"descriptions": str(database.descriptions.resolve())}
        for name, database in databases.items()
        if database.descriptions
    }
    if described:
        settings["database_options"] = {**settings.get("database_options", {}), **described}
    return tomli_w.dumps(settings)


def check_databases(url: str, benchmark: Benchmark) -> None:
    """Refuse a server that lacks one of the benchmark's databases.

    Raises:
        BenchError: the server can't be asked.
        ConfigError: names what is missing and the flags to start it with.
    """
    try:
        answer = httpx.get(f"{url}/v1/databases", timeout=_LOOK_SECONDS, trust_env=False).raise_for_status()
        details = {entry["name"]: entry for entry in answer.json()["details"]}
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{url} does not answer as Sluice does: {error!r}") from error
    ready = {name for name, entry in details.items() if entry["state"] == "ready"}
    missing = [name for name in benchmark.databases if name not in ready]
    if not missing:
        return
    said = [f"{name} ({details[name]['reason']})" if name in details else name for name in missing]
    flags = [f"--database {name}={benchmark.databases[name].file.resolve()}" for name in missing]
    more = [f"… {len(flags) - _FLAGS_SHOWN} more"] if len(flags) > _FLAGS_SHOWN else []
    raise ConfigError(
        f"--url {url}: the server has no database {', '.join(said)}. Start it with\n  "
        + "\n  ".join([*flags[:_FLAGS_SHOWN], *more])
        + "\nor with --config FILE.toml; --server-config FILE.toml writes that file here",
        field="url",
    )


@contextmanager
def own_server(
    kind: str, databases: Mapping[str, BenchmarkDatabase], base: Path | None, progress: Console
) -> Iterator[str]:
    """Yield the address of a server whose workflow is ``kind``; end it on leaving.

    Raises:
        BenchError: it doesn't start.
        ConfigError: ``base`` can't be read.
    """
    with TemporaryDirectory(prefix="accuracy-") as folder:
        file = Path(folder) / "server.toml"
        file.write_text(server_config(databases, base), "utf-8")
        try:
            with local_server(["--config", str(file), "--workflow", kind], progress=progress) as url:
                yield url
        except RuntimeError as error:
            raise BenchError(f"{kind}: {error}") from error


def forget_prompts(url: str) -> None:
    """Empty the runtimes' caches, so that a cell doesn't profit from the one before.

    Raises:
        BenchError: the server doesn't do it.
    """
    try:
        answer = httpx.post(
            f"{url}/flush_cache",
            params={"timeout": _FLUSH_SECONDS},
            timeout=2 * _FLUSH_SECONDS,
            trust_env=False,
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise BenchError(f"{url}: the caches can't be emptied: {error}") from error


def _settings(base: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(base.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--config {base} can't be read: {error}", field="config") from error
