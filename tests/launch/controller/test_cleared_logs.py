"""The controller's log and last words, without the passwords in the addresses of databases."""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path

import orjson
import pytest

from engine.wire.status_writer import StatusWriter
from launch.controller import process
from launch.controller.cleared_logs import ClearedFormatter
from launch.server.config import ControllerSpec, ServerConfig

ADDRESS = "pg://u:secret@h/db"


def test_lines_and_tracebacks_are_cleared() -> None:
    """Whoever wrote them."""
    try:
        raise ValueError(f"bad address {ADDRESS}")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("driver", logging.ERROR, "f", 1, "no way to %s", (ADDRESS,), info)
    text = ClearedFormatter([ADDRESS]).format(record)
    assert "ERROR driver: no way to pg…h/db" in text
    assert "ValueError: bad address pg…h/db" in text
    assert "secret" not in text


@pytest.mark.parametrize("kind", [ValueError, KeyError, RuntimeError])
def test_a_controller_that_fails_gives_its_reason_without_them(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also for an error that nobody expected."""

    async def fail(*_args: object) -> None:
        raise kind(f"no way to {ADDRESS}")

    monkeypatch.setattr(process, "_serve", fail)
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)
    monkeypatch.setattr(sys, "path", [*sys.path])
    config = ServerConfig(databases={"d": ADDRESS})
    spec = ControllerSpec(
        config=config,
        endpoint="ipc://nowhere",
        model_path="m",
        served_model_name="m",
        embedded_model=False,
        policy_path=str(tmp_path),
    )
    read_end, write_end = os.pipe()
    try:
        assert process.run(spec, StatusWriter(write_end)) == 1
        said = orjson.loads(os.read(read_end, 4096))
    finally:
        os.close(read_end)
        os.close(write_end)
    assert said["stage"] == "failed"
    assert "no way to pg…h/db" in said["message"]
    assert "secret" not in repr(config)
