"""Reads a :class:`ServerConfig`: its defaults < TOML file < environment < flags.

Mappings (databases, SGLang's arguments) are merged key by key; everything else is replaced as a whole.
"""

from __future__ import annotations

import argparse
import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from engine.sglang.variables import is_internal
from launch.server.config import RuntimeConfig, ServerConfig
from launch.server.sglang_flags import parse_engine_args
from plugins.text2sql.databases.address import scheme
from sched.errors import ConfigError

PREFIX = "SLUICE_"
_ADAPTER = TypeAdapter(ServerConfig)
_SCALARS: dict[str, str] = {
    name: schema["description"]
    for name, schema in _ADAPTER.json_schema()["properties"].items()
    if "description" in schema
}
_KEYS = [f.name for f in fields(ServerConfig)]
_MAPPINGS = ("databases", "engine_args")
_VARIABLES = {PREFIX + name.upper(): name for name in (*_SCALARS, "databases")}
_CONFIG_VARIABLE = f"{PREFIX}CONFIG"
_TABLES = (
    "the tables [databases], [database_options.NAME], [engine_args] and [[runtime]], which may hold "
    "[runtime.args]"
)
_EXAMPLE = """\
SGLang's own flags follow `--` and go to every runtime:
  python -m launch.server --model-path ./model -- --chunked-prefill-size 512
Every flag is also a key of the configuration file (--model-path: model_path) and an environment
variable (SLUICE_MODEL_PATH); flags win over the environment, the environment over the file."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What was asked for on the command line."""

    config: ServerConfig
    print_config: bool


@dataclass(slots=True)
class _Merged:
    """Raw values so far; ``origin`` tells for each where it was set, in the user's words."""

    values: dict[str, Any]
    origin: dict[str, str]

    def add(self, name: str, value: Any, origin: str) -> None:
        if name in _MAPPINGS and isinstance(value, Mapping):
            value = {**self.values.get(name, {}), **value}
        self.values[name] = value
        self.origin[name] = origin


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see --help")


def read_invocation(argv: Sequence[str], environment: Mapping[str, str]) -> Invocation:
    """Return the configuration that ``argv`` (without the program) and ``environment`` ask for.

    Nothing is looked up on the machine but the configuration file.

    Raises:
        ConfigError: unknown flag, variable or key, unreadable file, or a value of a wrong type or out of
            range.
    """
    own, engine = _split_at_dashes(argv)
    parser = _parser()
    found, unknown = parser.parse_known_args(own)
    if unknown:
        raise ConfigError(_unknown_flag(unknown[0], parser))
    flags = vars(found)
    print_config = flags.pop("print_config")
    file = flags.pop("config", None) or environment.get(_CONFIG_VARIABLE)
    merged = _Merged({}, {})
    if file:
        _add_file(merged, Path(file).expanduser())
    _refuse_unknown_variables(environment)
    for variable, name in _VARIABLES.items():
        if variable in environment:
            value = environment[variable]
            merged.add(
                name, _databases(value.split(","), variable) if name == "databases" else value, variable
            )
    if databases := flags.pop("database", None):
        merged.add("databases", _databases(databases, "--database"), "--database")
    for name, value in flags.items():
        merged.add(name, value, flag_of(name))
    if engine:
        merged.add("engine_args", parse_engine_args(engine), "`--`")
    return Invocation(_validated(merged), print_config)


def read_config(file: str | None) -> ServerConfig:
    """Return the configuration in a TOML file; the defaults without one.

    Raises:
        ConfigError: it can't be read or holds something else.
    """
    return read_invocation(["--config", file] if file else [], {}).config


def flag_of(name: str) -> str:
    """Return the flag of a setting: ``--model-path`` for ``model_path``."""
    return "--" + name.replace("_", "-")


def _split_at_dashes(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    if "--" not in argv:
        return argv, ()
    at = list(argv).index("--")
    return argv[:at], argv[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m launch.server",
        description="Serve Text-to-SQL workflows on SGLang runtimes.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    defaults = ServerConfig()
    for name, explanation in _SCALARS.items():
        default = getattr(defaults, name)
        if isinstance(default, bool):
            parser.add_argument(flag_of(name), action="store_true", help=explanation)
        else:
            shown = "" if default is None else f" (default: {default})"
            parser.add_argument(flag_of(name), metavar=name.upper(), help=explanation + shown)
    parser.add_argument(
        "--database",
        action="append",
        metavar="NAME=ADDRESS",
        help="a database: a SQLite file or a URL (repeatable)",
    )
    parser.add_argument("--config", metavar="FILE.toml", help="read settings from this file")
    parser.add_argument(
        "--print-config", action="store_true", default=False, help="print the resolved settings and exit"
    )
    return parser


def _unknown_flag(token: str, parser: argparse.ArgumentParser) -> str:
    if not token.startswith("-"):
        return f"unexpected argument {token!r}: settings are given as flags, see --help"
    known = [option for action in parser._actions for option in action.option_strings]
    return (
        f"unknown flag {token}{_suggestion(token.partition('=')[0], known)}: see --help, "
        "and give SGLang's own flags after `--`"
    )


def _suggestion(name: str, known: Iterable[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {prefix}{close[0]}?)" if close else ""


def _databases(pairs: Sequence[str], origin: str) -> dict[str, str]:
    databases = {}
    for pair in pairs:
        name, equals, address = pair.partition("=")
        if not (name and equals and address) or scheme(name):
            # Any part of an address, cut at a comma perhaps, may be of a password.
            secret = any("@" in part or "://" in part for part in pairs)
            given = "what is given" if secret else repr(pair)
            raise ConfigError(f"{origin}: {given} is not NAME=ADDRESS", field="databases")
        databases[name] = address
    return databases


def _add_file(merged: _Merged, file: Path) -> None:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"--config {file}: {error.strerror}; give a readable file", field="config"
        ) from error
    except ValueError as error:
        raise ConfigError(f"--config {file} is not valid TOML: {error}", field="config") from error
    _refuse_unknown_keys(values, _KEYS, str(file))
    tables = values.get("runtime", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{file}: write each runtime as a [[runtime]] table", field="runtime")
    for table in tables:
        _refuse_unknown_keys(table, [f.name for f in fields(RuntimeConfig)], f"[[runtime]] in {file}")
    for name, value in values.items():
        merged.add(name, value, f"{name} in {file}")


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = [variable.removeprefix(PREFIX) for variable in (*_VARIABLES, _CONFIG_VARIABLE)]
    for variable in sorted(environment):
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and name not in known and not is_internal(variable):
            raise ConfigError(
                f"unknown environment variable {variable}{_suggestion(name, known, PREFIX)}: unset it; a "
                f"setting's variable is named after its flag in --help (--port: {PREFIX}PORT)",
                field=variable,
            )


def _refuse_unknown_keys(found: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key, value in found.items():
        if key in known:
            continue
        if isinstance(value, dict):
            kind, otherwise = "table", f": a file has settings, then {_TABLES}"
        else:
            kind, otherwise = "key", f"; known are {', '.join(known)}"
        raise ConfigError(f"{where}: unknown {kind} {key!r}{_suggestion(key, known) or otherwise}", field=key)


def _validated(merged: _Merged) -> ServerConfig:
    try:
        return _ADAPTER.validate_python(merged.values)
    except ValidationError as invalid:
        error = invalid.errors()[0]
        name, *path = error["loc"]
        where = merged.origin.get(str(name), flag_of(str(name)))
        inside = "".join(f" [{part}]" if isinstance(part, int) else f" {part}" for part in path)
        message = error["msg"].removeprefix("Input ")
        # The address of a database may hold a password.
        given = "this" if name == "databases" else repr(error["input"])
        cause = None if name == "databases" else invalid
        raise ConfigError(f"{where}{inside}: {given} {message}", field=str(name)) from cause
