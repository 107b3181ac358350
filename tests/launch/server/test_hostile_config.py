"""Whatever stands in the configuration file, in flags or variables: a setting, or a sentence and status 2."""

from __future__ import annotations

import io
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from launch.server import server_cli
from launch.server.config import DatabaseOptions, RuntimeConfig, ServerConfig

NAMES = [field.name for field in fields(ServerConfig)]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "",
        "a\x00b",
        "~nobody/x",
        "/dev/null",
        "/proc/self/mem",
        "${HOME",
        "0",
        "-1",
        "nan",
        "1e999",
        "a=b",
        "://",
    ]
)
SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | TEXTS
    | st.dates()
    | st.times()
    | st.datetimes()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def tables_of(cls: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from([field.name for field in fields(cls)]) | TEXTS
    return st.dictionaries(names, VALUES, max_size=3)


CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "runtime": st.lists(tables_of(RuntimeConfig), max_size=3) | VALUES,
        "database_options": st.dictionaries(TEXTS, tables_of(DatabaseOptions), max_size=2) | VALUES,
        "databases": st.dictionaries(TEXTS, TEXTS, max_size=2) | VALUES,
    },
)
SETTINGS = st.dictionaries(st.sampled_from(NAMES) | TEXTS, VALUES, max_size=3)


def ends_well(argv: list[str], environment: dict[str, str] | None = None) -> None:
    """The launcher prints what it would do, or one sentence; anything that it raises fails the test."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(server_cli, "hide_passwords", lambda command: None)  # the process keeps its title
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        try:
            status: object = server_cli.main(["--print-config", *argv])
        except SystemExit as stopped:  # --help
            status = stopped.code
    assert status in (0, 2)
    if status == 2:
        assert out.getvalue() == ""
        assert err.getvalue().startswith("sluice: ")


@settings(max_examples=100)
@given(SETTINGS, CONFIGS)
def test_any_toml(values: dict[str, Any], tables: dict[str, Any]) -> None:
    """Keys that are known and others, with values of every type that TOML has."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sluice.toml"
        file.write_bytes(tomli_w.dumps(values | tables).encode())
        ends_well(["--config", str(file)])


@settings(max_examples=50)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sluice.toml"
        file.write_bytes(content)
        ends_well(["--config", str(file)])


FLAGS = st.sampled_from(
    [f"--{name.replace('_', '-')}" for name in NAMES] + ["--database", "--config", "--", "-"]
)


@settings(max_examples=100)
@given(st.lists(FLAGS | TEXTS | st.integers().map(str), max_size=5))
def test_any_command_line(argv: list[str]) -> None:
    ends_well(argv)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(NAMES), TEXTS | st.integers().map(str), max_size=3))
def test_any_environment(given_values: dict[str, str]) -> None:
    """A variable can't hold the character NUL."""
    ends_well(
        [], {f"SLUICE_{name.upper()}": value.replace("\x00", "") for name, value in given_values.items()}
    )


@pytest.mark.parametrize("setting", ["model_path", "journal", "record"])
@pytest.mark.parametrize("path", ["x" * 5000, "~there-is-no-such-user/x"])
def test_a_path_that_can_not_be_used(setting: str, path: str) -> None:
    """The system's reason is told, with status 2."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(server_cli, "hide_passwords", lambda command: None)
        assert server_cli.main(["--print-config", f"--{setting.replace('_', '-')}", path]) == 2
    assert err.getvalue().startswith("sluice: a path among the settings can't be used: ")
