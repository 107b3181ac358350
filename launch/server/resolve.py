"""Completes a configuration for a machine and checks everything that can be wrong before a start."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import tomli_w

from engine.wire.tokenizer_identity import tokenizer_hash
from launch.database_kinds import resolved
from launch.demo_assets import DEMO_DATABASE, demo_database, demo_model
from launch.served_databases import presented
from launch.server.config import EMBEDDED, DatabaseOptions, RuntimeConfig, ServerConfig
from launch.server.devices import Machine
from launch.server.model_folders import check_model
from launch.server.sglang_flags import check_engine_args
from launch.server.slots import cpu_runtimes, gpu_runtimes
from launch.shipped import (
    admission_registry,
    ordering_registry,
    placement_registry,
    profile_registry,
    workflow_registry,
)
from plugins.text2sql.databases.address import masked
from plugins.text2sql.databases.model_dialect import dialect_named
from sched.errors import ConfigError


def resolve(config: ServerConfig, machine: Machine) -> ServerConfig:
    """Return ``config`` with every runtime spelled out; resolving it again changes nothing.

    A ``model_path`` may still be ``"embedded"``, and the demo database missing: nothing is made here.

    Raises:
        ConfigError: names the flag or key and the remedy.
    """
    on_cpu = config.simulated or not machine.gpus or config.gpus == ()
    check_engine_args(config.engine_args, "in engine_args")
    tables = cpu_runtimes(config, machine) if on_cpu else gpu_runtimes(config, machine)
    runtimes = tuple(_completed(table, config, on_cpu) for table in tables)
    _check_names(runtimes)
    _check_tokenizers(runtimes)
    placement_registry().load(config.placement)
    ordering_registry().load(config.ordering)
    admission_registry().load(config.admission)
    profile_registry().load(config.prompt_profile)
    workflow_registry().load(config.workflow)
    if config.sql_dialect is not None:
        dialect_named(config.sql_dialect)
    if config.record_prompts and config.record is None:
        raise ConfigError(
            "--record-prompts needs a trace to keep them in: give --record FILE", field="record_prompts"
        )
    if config.link_port is not None and config.link != "tcp":
        raise ConfigError("--link-port needs --link tcp: give both, or neither", field="link_port")
    if config.link_port == config.port:
        raise ConfigError(f"--link-port {config.port} is --port already: choose another", field="link_port")
    databases = _databases(config)
    return replace(
        config,
        runtime=runtimes,
        databases=databases,
        database_options=_database_options(config, databases),
        journal=_writable(config.journal, "journal"),
        record=_writable(config.record, "record"),
    )


def as_toml(config: ServerConfig) -> str:
    """Return ``config`` as a configuration file; what is ``None`` is left out.

    A password in the address of a database is ``***``.
    """
    databases = {name: masked(address) for name, address in config.databases.items()}
    return tomli_w.dumps(_plain(asdict(replace(config, databases=databases))))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if inner is not None}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _completed(table: RuntimeConfig, config: ServerConfig, on_cpu: bool) -> RuntimeConfig:
    """Fill a table from the server-wide settings; what the table says itself wins."""
    check_engine_args(table.args, f"in args of runtime {table.name!r}")
    model = table.model_path or config.model_path or (EMBEDDED if on_cpu else None)
    if model is None:
        raise ConfigError(
            f"--model-path is needed on a machine with GPUs: give a model's folder, or "
            f"`--model-path {EMBEDDED}` for the tiny random one",
            field="model_path",
        )
    check_model(model, f"model_path of runtime {table.name!r}" if table.model_path else "--model-path")
    return replace(
        table,
        model_path=model if model == EMBEDDED else _absolute(model),
        mem_fraction_static=table.mem_fraction_static or config.mem_fraction_static,
        args={**config.engine_args, **table.args},
    )


def _check_names(runtimes: Sequence[RuntimeConfig]) -> None:
    names = [runtime.name for runtime in runtimes]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two runtimes are named {name!r}: give each a name of its own", field="name")
        if name == "controller":
            raise ConfigError("'controller' can't be a runtime's name: choose another", field="name")


def _check_tokenizers(runtimes: Sequence[RuntimeConfig]) -> None:
    """Prompts are tokenised once, before it is known where they run."""
    first, *others = runtimes
    paths = {runtime.model_path for runtime in runtimes}
    if len(paths) == 1:
        return  # reading a large tokenizer takes a second
    hashes = {path: tokenizer_hash(Path(demo_model() if path == EMBEDDED else path)) for path in paths}
    for other in others:
        if hashes[other.model_path] != hashes[first.model_path]:
            raise ConfigError(
                f"runtimes {first.name!r} and {other.name!r} have different tokenizers; all runtimes of a "
                f"server share one: choose other models than {first.model_path} and {other.model_path}",
                field="model_path",
            )


def _databases(config: ServerConfig) -> dict[str, str]:
    demo = str(demo_database())
    if not config.databases:
        return {DEMO_DATABASE: demo}
    return {
        name: demo if _absolute(address) == demo else resolved(name, address)
        for name, address in config.databases.items()
    }


def _database_options(config: ServerConfig, databases: Mapping[str, str]) -> dict[str, DatabaseOptions]:
    completed = {}
    for name, options in config.database_options.items():
        if name not in databases:
            known = ", ".join(databases)
            raise ConfigError(
                f"[database_options.{name}]: there is no database {name!r}; known: {known}",
                field="database_options",
            )
        presented(name, options)
        described = options.descriptions and _absolute(options.descriptions)
        completed[name] = replace(options, descriptions=described)
    return completed


def _writable(file: str | None, name: str) -> str | None:
    if file is None:
        return None
    path = Path(_absolute(file))
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(
            f"--{name} {path} can't be written to: name a file in a folder of yours", field=name
        )
    return str(path)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())
