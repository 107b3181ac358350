"""Reads a :class:`ServerConfig`: its defaults < TOML file < environment < flags.

pydantic-settings merges and validates: mappings (databases, SGLang's arguments) key by key, everything else
is replaced as a whole.  Here is what it lacks: its errors name neither flag nor variable nor file, it passes
over unknown variables and a missing file, and its parser has ``--no-no-autotune``.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

import orjson
from pydantic import ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, TomlConfigSettingsSource

from engine.sglang.variables import is_internal
from launch.server.config import DatabaseOptions, RuntimeConfig, ServerConfig
from launch.server.sglang_flags import parse_engine_args
from plugins.text2sql.databases.address import scheme, shown
from sched.errors import ConfigError

PREFIX = "SLUICE_"
_BEFORE_NAME = re.compile(r",(?=[^,=:/?&@]+=)")
"""A comma behind which a further database begins."""
_Settings = create_model(
    "_Settings",
    __base__=BaseSettings,
    __cls_kwargs__={"case_sensitive": True},
    **get_type_hints(ServerConfig, include_extras=True),
)
_HELP = {name: field.description for name, field in _Settings.model_fields.items() if field.description}
_VARIABLES = [name.upper() for name in (*_HELP, "databases", "config")]
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


class _Environment(EnvSettingsSource):
    """The variables of settings; every other ``SLUICE_`` variable is refused."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(_Settings, env_prefix=PREFIX, case_sensitive=False)
        for variable in sorted(environment):
            name = variable.removeprefix(PREFIX)
            if variable.startswith(PREFIX) and name not in _VARIABLES and not is_internal(variable):
                near = _suggestion(name, _VARIABLES, PREFIX)
                raise ConfigError(
                    f"unknown environment variable {variable}{near}: unset it; a setting's variable is named "
                    f"after its flag in --help (--port: {PREFIX}PORT)",
                    field=variable,
                )
        self.env_vars = {key.lower(): text for key, text in environment.items() if key.startswith(PREFIX)}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Return what is merged; other texts are read like a flag's, when the settings are validated."""
        return _databases_of_text(value) if field_name == "databases" else value


class _File(TomlConfigSettingsSource):
    """The file of ``--config``, if there is one."""

    def _read_files(self, files: Any, deep_merge: bool = False) -> dict[str, Any]:
        # The library passes over a file that isn't there, and over a pipe.
        try:
            return self._read_file(files) if files else {}
        except OSError as error:
            message = f"--config {files}: {error.strerror}; give a readable file"
            raise ConfigError(message, field="config") from error
        except ValueError as error:
            raise ConfigError(f"--config {files} is not valid TOML: {error}", field="config") from error


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
    named = flags.pop("config", None) or environment.get(f"{PREFIX}CONFIG")
    file = Path(named).expanduser() if named else None
    if databases := flags.pop("database", None):
        flags["databases"] = _databases(databases, "--database")
    if engine:
        flags["engine_args"] = parse_engine_args(engine)
    sources = (InitSettingsSource(_Settings, flags), _Environment(environment), _File(_Settings, file))
    defaults = InitSettingsSource(_Settings, asdict(ServerConfig()))
    try:
        settings = _Settings(_build_sources=((*sources, defaults), {}))
    except ValidationError as invalid:
        # Not chained: what was given may be the address of a database, which may hold a password.
        raise _refusal(invalid.errors()[0], [source() for source in sources], file) from None
    return Invocation(ServerConfig(**dict(settings)), print_config)


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
    for name, explanation in _HELP.items():
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
        return f"unexpected argument {shown(token)!r}: settings are given as flags, see --help"
    known = [option for action in parser._actions for option in action.option_strings]
    name = token.partition("=")[0]
    return (
        f"unknown flag {name}{_suggestion(name, known)}: see --help, and give SGLang's own flags after `--`"
    )


def _suggestion(name: str, known: Iterable[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {prefix}{close[0]}?)" if close else ""


def _databases_of_text(text: str) -> Any:
    """Return the databases in the variable: JSON, or ``NAME=ADDRESS`` with commas between."""
    variable = f"{PREFIX}DATABASES"
    if not text.lstrip().startswith("{"):
        return _databases(_BEFORE_NAME.split(text), variable)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        # Not chained: the library's error holds the text, in which there may be a password.
        raise ConfigError(f"{variable} is not valid JSON: {error.msg}", field="databases") from None


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


def _refusal(error: ErrorDetails, given: Sequence[Mapping[str, Any]], file: Path | None) -> ConfigError:
    """Return the library's ``error`` in the words of the source that gave the value.

    ``given`` is what flags, environment and ``file`` gave.
    """
    name, path = str(error["loc"][0]), error["loc"][1:]
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        key = str(error["loc"][-1])
        where, table = _table_of(name, path, file)
        known = [field.name for field in fields(table)]
        if isinstance(error["input"], dict):
            kind, otherwise = "table", f": a file has settings, then {_TABLES}"
        else:
            kind, otherwise = "key", f"; known are {', '.join(known)}"
        near = _suggestion(key, known) or otherwise
        return ConfigError(f"{where}: unknown {kind} {key!r}{near}", field=key)
    if name == "runtime" and len(path) < 2:
        return ConfigError(f"{file}: write each runtime as a [[runtime]] table", field="runtime")
    origins = (flag_of(name), PREFIX + name.upper(), f"{name} in {file}")
    where = next(origin for origin, values in zip(origins, given, strict=True) if _gave(values, error["loc"]))
    inside = "".join(f" [{part}]" if isinstance(part, int) else f" {part}" for part in path)
    # The address of a database may hold a password; it may stand in the wrong table.
    value = repr(error["input"])
    value = "this" if name == "databases" or "://" in value else value
    return ConfigError(f"{where}{inside}: {value} {error['msg'].removeprefix('Input ')}", field=name)


def _table_of(name: str, path: tuple[int | str, ...], file: Path | None) -> tuple[str, type[Any]]:
    """Return the table at ``path`` of setting ``name``, for a message, and the class of its keys."""
    if name == "database_options":
        return f"[database_options.{path[0]}] in {file}", DatabaseOptions
    return (f"[[runtime]] in {file}", RuntimeConfig) if path else (str(file), ServerConfig)


def _gave(values: Any, path: Sequence[int | str]) -> bool:
    """Tell whether what is at ``path`` came with ``values``; deeper than tables it did if they are there."""
    if not path or not isinstance(values, Mapping):
        return True
    return path[0] in values and _gave(values[path[0]], path[1:])
