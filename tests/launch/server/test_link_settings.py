"""How workers join: over a socket file, or over TCP with keys; what is refused before a start."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from engine.wire.worker_spec import WorkerSpec
from launch.checks import check_port
from launch.server.config import ControllerSpec, ServerConfig
from launch.server.devices import Machine
from launch.server.plan import ServerPlan
from launch.server.resolve import resolve
from sched.errors import ConfigError

BARE = Machine(gpus=(), cores=(4, 6))


def _plan(config: ServerConfig) -> ServerPlan:
    return ServerPlan(resolve(config, BARE), BARE, "/model")


def test_workers_join_over_tcp_with_a_key_each(tmp_path: Path) -> None:
    """The controller knows their public keys alone; no process's command or environment has a secret."""
    plan = _plan(ServerConfig(simulated=True, link="tcp", link_port=31999))
    family = plan.family_in(tmp_path)
    controller = ControllerSpec.from_json(family.controller.line)
    workers = [WorkerSpec.from_json(child.line) for child in family.workers]
    assert {controller.endpoint, *(worker.endpoint for worker in workers)} == {"tcp://127.0.0.1:31999"}
    keys = [worker.keys for worker in workers if worker.keys]
    assert controller.keys is not None
    assert controller.keys.workers == tuple(each.public for each in keys)
    assert {each.controller for each in keys} == {controller.keys.public}
    secrets = {controller.keys.secret, *(each.secret for each in keys)}
    assert len(secrets) == 3
    for child in (family.controller, *family.workers):
        shown = " ".join([*child.command, *child.environment.values(), repr(controller), repr(workers)])
        assert not [secret for secret in secrets if secret in shown]
    again = ControllerSpec.from_json(plan.family_in(tmp_path).controller.line)
    assert again.keys is not None
    assert again.keys.secret not in secrets, "every server has its own"


def test_workers_join_over_a_socket_file_without_keys(tmp_path: Path) -> None:
    """Only this user's processes reach it."""
    family = _plan(ServerConfig(simulated=True)).family_in(tmp_path)
    controller = ControllerSpec.from_json(family.controller.line)
    assert (controller.endpoint, controller.keys) == (f"ipc://{tmp_path}/controller", None)


def test_the_port_for_workers_needs_tcp() -> None:
    """And is another one than that of clients."""
    with pytest.raises(ConfigError, match="--link-port needs --link tcp: give both, or neither"):
        resolve(ServerConfig(simulated=True, link_port=31999), BARE)
    with pytest.raises(ConfigError, match="--link-port 31999 is --port already: choose another"):
        resolve(ServerConfig(simulated=True, link="tcp", link_port=31999, port=31999), BARE)


def test_the_port_for_workers_must_be_free() -> None:
    """The flag that sets it is named."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 is in use: .* with --link-port"):
            check_port("127.0.0.1", port, "--link-port")
