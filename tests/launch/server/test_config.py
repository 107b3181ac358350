"""Where settings come from, and how wrong ones are refused."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.sglang.variables import CPU_CURES, HOOK, RUN_DIR, SLOWDOWN, is_internal
from launch.checks import CHECKOUT
from launch.server.config import RuntimeConfig, ServerConfig
from launch.server.devices import Machine
from launch.server.sglang_flags import parse_engine_args
from launch.server.sources import read_invocation
from sched.errors import ConfigError

BARE = Machine(gpus=(), cores=(4, 6))
GPUS = Machine(gpus=(0, 1), cores=(0,))


def config_from(argv: Sequence[str] = (), environment: dict[str, str] | None = None) -> ServerConfig:
    return read_invocation(argv, environment or {}).config


@pytest.fixture
def toml(tmp_path: Path) -> Callable[[str], str]:
    """Write a configuration file and return its path."""

    def write(text: str) -> str:
        file = tmp_path / "sluice.toml"
        file.write_text(text)
        return str(file)

    return write


@pytest.mark.parametrize(
    "argv",
    [
        ["--databse=d=pg://u:secret@h/db"],
        ["--databse", "d=pg://u:secret@h/db"],
        ["d=pg://u:secret@h/db"],
        ["--", "d=pg://u:secret@h/db"],
    ],
)
def test_a_misplaced_address_shows_no_password(argv: list[str]) -> None:
    """A slip on the command line is not repeated in full."""
    with pytest.raises(ConfigError) as caught:
        config_from(argv)
    assert "secret" not in caught.value.message


def test_an_address_in_the_wrong_table_shows_no_password(toml: Callable[[str], str]) -> None:
    """Nor in the error behind the error."""
    file = toml("[database_options]\nd = 'pg://u:secret@h/db'")
    with pytest.raises(ConfigError) as caught:
        config_from(["--config", file])
    assert "secret" not in "".join(traceback.format_exception(caught.value))


# --- sources ------------------------------------------------------------------------------------


def test_flags_beat_environment_beats_file_beats_defaults(toml: Callable[[str], str]) -> None:
    """Each source overrides the ones before it, setting by setting."""
    file = toml("port = 1111\nhost = 'file'\nordering = 'fcfs'\nwindow_tokens = 7")
    config = config_from(
        ["--config", file, "--port", "3333"], {"SLUICE_PORT": "2222", "SLUICE_HOST": "environment"}
    )
    assert (config.port, config.host, config.ordering) == (3333, "environment", "fcfs")
    assert (config.window_tokens, config.candidates) == (7, ServerConfig().candidates)


def test_mappings_are_merged(toml: Callable[[str], str]) -> None:
    """Databases and SGLang's arguments of several sources add up; the later source wins for a name."""
    file = toml("[databases]\na = '1'\nb = '1'\n[engine_args]\nx = 1\ny = 1")
    argv = ["--config", file, "--database", "b=3", "--database", "d=3", "--", "--y", "2"]
    config = config_from(argv, {"SLUICE_DATABASES": "b=2,c=2"})
    assert config.databases == {"a": "1", "b": "3", "c": "2", "d": "3"}
    assert config.engine_args == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "databases"),
    [
        ("a=1,b=/x/y.sqlite", {"a": "1", "b": "/x/y.sqlite"}),
        (
            "a=postgresql://h1:5432,h2:5432/db?target_session_attrs=any,b=2",
            {"a": "postgresql://h1:5432,h2:5432/db?target_session_attrs=any", "b": "2"},
        ),
        ("a=postgresql://h1,h2/db,my-shop.2=2", {"a": "postgresql://h1,h2/db", "my-shop.2": "2"}),
        ('{"a": "postgresql://u:x,y=z@h/db", "b": "2"}', {"a": "postgresql://u:x,y=z@h/db", "b": "2"}),
        (" {}", {}),
    ],
)
def test_addresses_in_the_environment_may_have_commas(text: str, databases: dict[str, str]) -> None:
    """A further database begins with its name; JSON says it without doubt."""
    assert config_from([], {"SLUICE_DATABASES": text}).databases == databases


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shop", "SLUICE_DATABASES: 'shop' is not NAME=ADDRESS"),
        ('{"a": "x://u:secret@h"', "SLUICE_DATABASES is not valid JSON: unexpected end"),
        ('{"a": 5}', "SLUICE_DATABASES a: this should be a valid string"),
    ],
)
def test_wrong_databases_in_the_environment(text: str, message: str) -> None:
    """The variable is named, the address isn't shown."""
    with pytest.raises(ConfigError, match=message) as caught:
        config_from([], {"SLUICE_DATABASES": text})
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_values_of_every_kind() -> None:
    """Text from flags and the environment becomes lists, numbers and switches."""
    config = config_from(
        ["--gpus", "0,1", "--mem-fraction-static", "0.5"],
        {"SLUICE_SIMULATED": "1", "SLUICE_LOG_LEVEL": "info", "SLUICE_CONFIG": ""},
    )
    assert (config.gpus, config.mem_fraction_static) == ((0, 1), 0.5)
    assert (config.simulated, config.log_level) == (True, "info")


def test_runtime_tables(toml: Callable[[str], str]) -> None:
    """A [[runtime]] table describes one runtime."""
    file = toml("[[runtime]]\nname = 'slow'\nslowdown = 3\nargs = {chunked_prefill_size = 64}\n[[runtime]]\n")
    assert config_from(["--config", file]).runtime == (
        RuntimeConfig(name="slow", slowdown=3.0, args={"chunked_prefill_size": 64}),
        RuntimeConfig(),
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--prot", "1"], r"unknown flag --prot \(did you mean --port\?\)"),
        (["--chunked-prefill-size", "1"], "unknown flag .*, and give SGLang's own flags after `--`"),
        (["model"], "unexpected argument 'model': settings are given as flags"),
        (["--port"], "--port: expected one argument"),
        (["--port", "x"], "--port: 'x' should be a valid integer"),
        (["--port", "70000"], "--port: '70000' should be less than or equal to 65535"),
        (["--gpus", "0,x"], r"--gpus .*'x' should be a valid integer"),
        (["--mem-fraction-static", "1.5"], "--mem-fraction-static: '1.5' should be less than 1"),
        (["--drain-seconds", "inf"], "--drain-seconds: 'inf' should be a finite number"),
        (["--log-level", "loud"], "--log-level: 'loud' should be 'debug', 'info', 'warning' or 'error'"),
        (["--database", "shop"], "--database: 'shop' is not NAME=ADDRESS"),
        (["--config", "/nowhere.toml"], "--config /nowhere.toml: No such file or directory"),
    ],
)
def test_wrong_flags(argv: list[str], message: str) -> None:
    """A wrong flag is named with what it should be."""
    with pytest.raises(ConfigError, match=message):
        config_from(argv)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = ", "sluice.toml is not valid TOML"),
        ("prot = 1", r"sluice.toml: unknown key 'prot' \(did you mean port\?\)"),
        ("Port = 1", r"sluice.toml: unknown key 'Port' \(did you mean port\?\)"),
        ("port = 'x'", "port in .*sluice.toml: 'x' should be a valid integer"),
        ("[server]\nport = 1", r"unknown table 'server': a file has settings, then the tables \[databases\]"),
        ("[engine-args]\nx = 1", r"unknown table 'engine-args' \(did you mean engine_args\?\)"),
        ("[port]\nnumber = 1", "port in .*sluice.toml: {'number': 1} should be a valid integer"),
        ("[[runtime]]\n[runtime.cache]\nx = 1", r"\[\[runtime\]\] in .*: unknown table 'cache': a file has"),
        ("[runtime]\nname = 'a'", r"write each runtime as a \[\[runtime\]\] table"),
        (
            "[database_options.shop]\nexlude = ['a']",
            r"\[database_options.shop\] in .*sluice.toml: unknown key 'exlude' \(did you mean exclude\?\)",
        ),
        ("[database_options.shop]\nx = 1", "unknown key 'x'; known are include, exclude, descriptions"),
        ("[database_options.shop.x]\ny = 1", r"database_options.shop\] in .*: unknown table 'x'"),
        ("[[runtime]]\nslow_down = 2", r"unknown key 'slow_down' \(did you mean slowdown\?\)"),
        (
            "[[runtime]]\nslowdown = 0.5",
            r"runtime in .* \[0\] slowdown: 0.5 should be greater than or equal to 1",
        ),
        ("[[runtime]]\nname = 'a b'", r"\[0\] name: 'a b' "),
    ],
)
def test_wrong_file(toml: Callable[[str], str], text: str, message: str) -> None:
    """A wrong key or value of the file is named with the file."""
    with pytest.raises(ConfigError, match=message):
        config_from(["--config", toml(text)])


def test_a_mistake_in_a_merged_table_names_its_file(toml: Callable[[str], str]) -> None:
    """The file is named, although flags and the environment gave databases, too."""
    file = toml("[databases]\na = 5")
    with pytest.raises(ConfigError, match=r"databases in .*sluice.toml a: this should be a valid string"):
        config_from(["--config", file, "--database", "b=2"], {"SLUICE_DATABASES": "c=3"})


def test_the_file_may_be_a_pipe() -> None:
    """As in ``--config <(python make_settings.py)``."""
    reading, writing = os.pipe()
    try:
        os.write(writing, b"port = 1234")
        os.close(writing)
        assert config_from(["--config", f"/dev/fd/{reading}"]).port == 1234
    finally:
        os.close(reading)


def test_wrong_environment() -> None:
    """A wrong value in the environment is named with its variable."""
    with pytest.raises(ConfigError, match="SLUICE_PORT: 'x' should be"):
        config_from([], {"SLUICE_PORT": "x"})


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("SLUICE_PROT", r"SLUICE_PROT \(did you mean SLUICE_PORT\?\): unset it"),
        ("SLUICE_DATABASE", r"SLUICE_DATABASE \(did you mean SLUICE_DATABASES\?\)"),
        ("SLUICE_CONFIGS", r"SLUICE_CONFIGS \(did you mean SLUICE_CONFIG\?\)"),
        ("SLUICE_ZZZ", r"SLUICE_ZZZ: unset it; .* named after its flag in --help"),
        ("SLUICE_ENGINE_ARGS", "unknown environment variable SLUICE_ENGINE_ARGS"),
    ],
)
def test_unknown_variables(variable: str, message: str) -> None:
    """A variable that looks like a setting and is none is refused, with the nearest one that is."""
    with pytest.raises(ConfigError, match=message):
        config_from(["--port", "1"], {variable: "1", "OTHER_PROT": "1"})


def test_variables_of_the_processes_are_no_settings() -> None:
    """Those between a worker and SGLang, those of tests and those of others change nothing."""
    internal = {HOOK: "1", RUN_DIR: "/x", SLOWDOWN: "2", CPU_CURES: "1", "SLUICE_TEST_GATE": "/y"}
    assert config_from([], {**internal, "sluice_port": "1", "PORT": "1"}) == ServerConfig()


def test_internal_variables_are_listed_in_one_place() -> None:
    """No module of the engine spells the name of a variable but the one that lists them."""
    engine = CHECKOUT / "engine"
    spelt = {
        file.relative_to(engine).as_posix(): found
        for file in engine.rglob("*.py")
        if (found := re.findall(r'"(SLUICE_[A-Z_]+)"', file.read_text(encoding="utf-8")))
    }
    assert set(spelt) == {"sglang/variables.py"}
    assert all(is_internal(name) for name in spelt["sglang/variables.py"])


# --- SGLang's own flags -------------------------------------------------------------------------


def test_engine_flags_are_converted() -> None:
    """Flags after `--` are SGLang's by SGLang's names; values become what they look like."""
    text = "--chunked-prefill-size 512 --a=0.5 --b -1 --enable-metrics --c false --d one two --e {} --f="
    assert parse_engine_args(text.split()) == {
        "chunked_prefill_size": 512,
        "a": 0.5,
        "b": -1,
        "enable_metrics": True,
        "c": False,
        "d": ["one", "two"],
        "e": "{}",
        "f": "",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("512", "'512' after `--` belongs to no flag"),
        ("--a 1 --a 2", "--a is given twice"),
        ("--tp 2", "--tp after `--`: give --tp-size before `--`"),
        ("--api-key s3cret", "--api-key after `--`: requests are not authenticated yet"),
        ("--ssl-keyfile k.pem", "--ssl-keyfile after `--`: Sluice serves plain HTTP"),
        ("--schedule-policy lpm", "--schedule-policy after `--`: the queue is ordered by --ordering"),
    ],
)
def test_wrong_engine_flags(text: str, message: str) -> None:
    """SGLang flags that Sluice sets itself, and values without a flag, are refused."""
    with pytest.raises(ConfigError, match=message):
        parse_engine_args(text.split())
