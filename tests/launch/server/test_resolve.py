"""What a configuration becomes on a machine, and what is refused before anything starts."""

from __future__ import annotations

import socket
import tomllib
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.wire.tokenizer_identity import TOKENIZER_FILE
from launch.checks import CHECKOUT, check_folder, check_port
from launch.demo_assets import demo_model
from launch.server.config import EMBEDDED, ControllerSpec, RuntimeConfig, ServerConfig
from launch.server.devices import Machine
from launch.server.plan import ServerPlan
from launch.server.resolve import as_toml, resolve
from launch.server.sources import read_invocation
from launch.shipped import admission_registry, ordering_registry, placement_registry
from sched.errors import ConfigError
from sched.registry import Registry

BARE = Machine(gpus=(), cores=(4, 6))
GPUS = Machine(gpus=(0, 1), cores=(0,))


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., str]:
    """Make a model folder of the given name, with its tokenizer's content."""

    def make(name: str = "model", tokenizer: str | None = "{}", config: bool = True) -> str:
        folder = tmp_path / name
        folder.mkdir()
        if config:
            (folder / "config.json").write_text("{}")
        if tokenizer is not None:
            (folder / "tokenizer.json").write_text(tokenizer)
        return str(folder)

    return make


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"model_path": "x"}, "--model-path in args of runtime 'cpu-0': this is a setting of Sluice itself"),
        ({"page-size": 1}, "write 'page-size' as 'page_size'"),
    ],
)
def test_wrong_arguments_of_a_runtime(args: dict[str, object], message: str) -> None:
    """The same holds for the args of a [[runtime]] table."""
    with pytest.raises(ConfigError, match=message):
        resolve(ServerConfig(runtime=(RuntimeConfig(args=args),)), BARE)


def test_printed_configuration_resolves_to_itself(tmp_path: Path, model: Callable[..., str]) -> None:
    """What --print-config prints is a configuration file that means the same."""
    config = ServerConfig(
        model_path=model(),
        gpus=(1,),
        engine_args={"a": [1, 2], "b": True},
        runtime=(RuntimeConfig(slowdown=2.0, args={"b": False}),),
    )
    resolved = resolve(config, GPUS)
    file = tmp_path / "printed.toml"
    file.write_text(as_toml(resolved))
    again = resolve(read_invocation(["--config", str(file)], {}).config, GPUS)
    assert again == resolved
    assert resolved.runtime[0].args == {"a": [1, 2], "b": False}
    assert tomllib.loads(as_toml(resolved))["runtime"][0]["gpus"] == [1]


def test_embedded_model_only_without_gpu() -> None:
    """A machine without GPU falls back on the embedded model; with one a model must be named."""
    assert resolve(ServerConfig(), BARE).runtime[0].model_path == EMBEDDED
    assert resolve(ServerConfig(model_path=EMBEDDED), GPUS).runtime[0].model_path == EMBEDDED
    with pytest.raises(ConfigError, match="--model-path is needed on a machine with GPUs"):
        resolve(ServerConfig(), GPUS)


def test_empty_gpus_mean_cpu() -> None:
    """An empty list of GPUs asks for CPU slots on a machine that has GPUs."""
    assert [r.name for r in resolve(ServerConfig(gpus=()), GPUS).runtime] == ["cpu-0"]


def test_missing_models_are_refused(model: Callable[..., str]) -> None:
    """No folder, no config.json and no tokenizer are told apart; the flag or the runtime is named."""
    with pytest.raises(ConfigError, match="--model-path: /nowhere is not a folder; download"):
        resolve(ServerConfig(model_path="/nowhere"), BARE)
    bare = RuntimeConfig(name="a", model_path=model("bare", config=False))
    with pytest.raises(ConfigError, match=r"model_path of runtime 'a': .* has no config\.json"):
        resolve(ServerConfig(runtime=(bare,)), BARE)
    with pytest.raises(ConfigError, match=r"--model-path: .* has no tokenizer; put"):
        resolve(ServerConfig(model_path=model("mute", tokenizer=None)), BARE)


def test_one_tokenizer_for_all(model: Callable[..., str]) -> None:
    """Models of different folders may be mixed if their tokenizers are the same."""
    small, big, other = model("small"), model("big"), model("other", tokenizer='{"model": 1}')
    pair = [RuntimeConfig(name="a", model_path=small), RuntimeConfig(name="b", model_path=big)]
    assert len(resolve(ServerConfig(runtime=tuple(pair)), BARE).runtime) == 2
    pair[1] = replace(pair[1], model_path=other)
    with pytest.raises(ConfigError, match="runtimes 'a' and 'b' have different tokenizers"):
        resolve(ServerConfig(runtime=tuple(pair)), BARE)


def test_the_embedded_model_is_judged_by_its_tokenizer(tmp_path: Path) -> None:
    """A copy of it elsewhere may stand beside it; a model without the one file that serves is refused."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in ("config.json", TOKENIZER_FILE):
        (copy / file).write_bytes((Path(demo_model()) / file).read_bytes())
    pair = (RuntimeConfig(model_path=EMBEDDED), RuntimeConfig(model_path=str(copy)))
    assert len(resolve(ServerConfig(runtime=pair), BARE).runtime) == 2
    (copy / TOKENIZER_FILE).rename(copy / "tokenizer.model")
    with pytest.raises(ConfigError, match=r"has no tokenizer; put the model's tokenizer\.json"):
        resolve(ServerConfig(runtime=pair), BARE)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ServerConfig(runtime=(RuntimeConfig(name="a"),) * 2), "two runtimes are named 'a'"),
        (ServerConfig(runtime=(RuntimeConfig(name="controller"),)), "can't be a runtime's name"),
        (
            ServerConfig(placement="nearest"),
            "--placement: unknown policy 'nearest'; choose one of round_robin",
        ),
        (ServerConfig(ordering="no_such:Mine"), "--ordering: 'no_such:Mine' can't be loaded"),
        (ServerConfig(databases={"d": "/nowhere"}), "--database d=/nowhere: there is no such file"),
    ],
)
def test_what_is_refused(config: ServerConfig, message: str) -> None:
    """Names, policies and databases are checked before anything starts."""
    with pytest.raises(ConfigError, match=message):
        resolve(config, BARE)


def test_shop_is_the_default_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a database the demo shop in the user's cache folder is served; any other must exist."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert resolve(ServerConfig(), BARE).databases == {"shop": f"{tmp_path}/sluice/shop.sqlite"}
    file = tmp_path / "own.sqlite"
    file.touch()
    assert resolve(ServerConfig(databases={"own": str(file)}), BARE).databases == {"own": str(file)}


def test_a_database_is_a_path_or_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both become the absolute path of a SQLite file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a?.sqlite").touch()
    file = f"{tmp_path}/a?.sqlite"
    given = {"path": "a?.sqlite", "relative": "sqlite:///a?.sqlite", "absolute": f"SQLite:///{file}"}
    assert resolve(ServerConfig(databases=given), BARE).databases == dict.fromkeys(given, file)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["d=oracle://u:secret@h/db"],
            "--database d: unknown kind of database 'oracle'; "
            "known: duckdb, mariadb, mysql, postgresql, sqlite",
        ),
        (
            ["d=postgresql:/u:secret@h/db"],
            "--database d=postgresql…h/db: there is no such file; give a SQLite file",
        ),
        (
            ["d=sqlite://u:secret@h/db"],
            "--database d=sqlite…h/db: write sqlite:///PATH, or just the path of a SQLite file",
        ),
        (["d=/nowhere?password=secret"], "--database d=/nowhere…: there is no such file; give a SQLite file"),
        (["postgresql://u:secret@h/db"], "--database: what is given is not NAME=ADDRESS"),
        (["postgresql://u:secret@h/db?ssl=1"], "--database: what is given is not NAME=ADDRESS"),
        (["d=pg://u:sec", "secret@h"], "--database: what is given is not NAME=ADDRESS"),
    ],
)
def test_a_refused_database_shows_no_password(argv: list[str], message: str) -> None:
    """Whether its kind is unknown, its name left out or the address misspelt."""
    flags = [word for given in argv for word in ("--database", given)]
    with pytest.raises(ConfigError) as caught:
        resolve(read_invocation(flags, {}).config, BARE)
    assert caught.value.message == message


def test_options_of_databases_are_completed(tmp_path: Path) -> None:
    """They come from the file; the path of the descriptions holds in every folder, and resolving is final."""
    (tmp_path / "words.json").write_text("{}")
    (tmp_path / "own.sqlite").touch()
    file = tmp_path / "sluice.toml"
    file.write_text(
        f"""[databases]
own = "{tmp_path}/own.sqlite"
[database_options.own]
include = ["sales_*"]
descriptions = "{tmp_path}/x/../words.json"
"""
    )
    (tmp_path / "x").mkdir()
    config = resolve(read_invocation(["--config", str(file)], {}).config, BARE)
    options = config.database_options["own"]
    assert (options.include, options.exclude) == (("sales_*",), ())
    assert Path(options.descriptions or "").is_absolute()
    assert resolve(config, BARE) == config
    file.write_text(as_toml(config))
    assert read_invocation(["--config", str(file)], {}).config == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("[database_options.other]", r"\[database_options.other\]: there is no database 'other'; known: own"),
        (
            "[database_options.own]\ndescriptions = '/nowhere'",
            r"in \[database_options.own\]: /nowhere can't be",
        ),
        (
            "[database_options.own]\nincluded = ['x']",
            r"\[database_options.own\] in .*: unknown key 'included' \(did you mean include\?\)",
        ),
        (
            "[database_options.own]\ninclude = 'x'",
            "database_options in .* own include: 'x' should be a valid tuple",
        ),
    ],
)
def test_wrong_options_of_databases_are_refused(tmp_path: Path, options: str, message: str) -> None:
    """The message names the table and what is wrong in it."""
    (tmp_path / "own.sqlite").touch()
    file = tmp_path / "sluice.toml"
    file.write_text(f"[databases]\nown = '{tmp_path}/own.sqlite'\n{options}")
    with pytest.raises(ConfigError, match=message):
        resolve(read_invocation(["--config", str(file)], {}).config, BARE)


def test_the_printed_configuration_shows_no_password() -> None:
    """Paths are printed as they are."""
    given = {"d": "pg://u:secret@h/db?key=secret", "path": "/data/a:b@c?d.sqlite"}
    printed = tomllib.loads(as_toml(ServerConfig(databases=given)))["databases"]
    assert printed == {"d": "pg://u:***@h/db?key=***", "path": "/data/a:b@c?d.sqlite"}


@pytest.mark.parametrize("text", ["databases = '{}'", "[databases]\nd = ['{}']"])
def test_a_wrong_databases_table_shows_no_password(tmp_path: Path, text: str) -> None:
    """A value of the wrong type isn't repeated."""
    file = tmp_path / "sluice.toml"
    file.write_text(text.format("postgresql://u:secret@h/db"))
    with pytest.raises(ConfigError, match="this should be a valid") as caught:
        read_invocation(["--config", str(file)], {})
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_shipped_policies_load() -> None:
    """Every shipped policy can be loaded and carries the name it is registered under."""
    names: dict[str, Registry[Any]] = {
        "placement": placement_registry(),
        "ordering": ordering_registry(),
        "admission": admission_registry(),
    }
    assert {kind: registry.names()[:2] for kind, registry in names.items()} == {
        "placement": ["round_robin", "random"],
        "ordering": ["fcfs", "lpm"],
        "admission": ["always", "slo_aware"],
    }
    assert all(registry.load(name).name == name for registry in names.values() for name in registry.names())


# --- place and address --------------------------------------------------------------------------


def test_only_the_checkout(tmp_path: Path) -> None:
    """From another folder the remedy is a sentence."""
    check_folder(CHECKOUT)
    with pytest.raises(ConfigError, match=f"cd {CHECKOUT} and start it again"):
        check_folder(tmp_path)


def test_port_must_be_free() -> None:
    """A port in use is named with the flag to change; once free it is accepted."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        with pytest.raises(
            ConfigError, match=f"port {port} on 127.0.0.1 is in use: choose another with --port"
        ):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "reason"), [("no such host", "is unknown"), ("192.0.2.1", "can't be listened on")]
)
def test_host_must_be_ours(host: str, reason: str) -> None:
    """A host that isn't this machine is named with its flag."""
    with pytest.raises(ConfigError, match=f"--host {host} {reason} .*: give an address of this machine"):
        check_port(host, 30000)


# --- plan ---------------------------------------------------------------------------------------


def test_plan_pins_cores_and_passes_everything_on(tmp_path: Path) -> None:
    """CPU runtimes get a core each; the embedded model's folder replaces its name everywhere."""
    slow = RuntimeConfig(name="slow", slowdown=3.0, args={"a": 1})
    config = resolve(ServerConfig(mem_fraction_static=0.2, runtime=(slow, RuntimeConfig())), BARE)
    plan = ServerPlan(config, BARE, embedded="/models/tiny")
    first, second = plan.worker_specs("ipc:///x")
    assert (first.cpu_core, second.cpu_core, first.slowdown, first.device) == (4, 6, 3.0, "cpu")
    assert first.engine_args == {"a": 1, "mem_fraction_static": 0.2}
    controller = ControllerSpec.from_json(plan.controller_spec("ipc:///x").to_json())
    assert controller.config == config
    assert (controller.model_path, controller.served_model_name) == ("/models/tiny", "tiny")
    assert (controller.runtimes, controller.embedded_model) == (("slow", "cpu-1"), True)
    family = plan.family_in(tmp_path)
    assert [child.label for child in family.workers] == ["runtime slow", "runtime cpu-1"]
    assert f"ipc://{tmp_path}/".encode() in family.controller.line
    assert ControllerSpec.from_json(family.controller.line).config.journal == f"{tmp_path}/journal"


def test_instructions_of_another_version_are_refused() -> None:
    """The controller takes no key that it doesn't know, wherever it stands."""
    spec = ServerPlan(resolve(ServerConfig(), BARE), BARE, embedded="/models/tiny").controller_spec(
        "ipc:///x"
    )
    data = orjson.loads(spec.to_json())
    for holder in (data, data["config"], data["config"]["runtime"][0]):
        holder["retired"] = 1
        with pytest.raises(ValueError, match="retired"):
            ControllerSpec.from_json(orjson.dumps(data))
        del holder["retired"]
    assert ControllerSpec.from_json(orjson.dumps(data)) == spec


def test_the_recording_is_checked_before_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--record is taken from the current folder; --record-prompts alone is a mistake."""
    monkeypatch.chdir(tmp_path)
    config = resolve(ServerConfig(simulated=True, record="mine", record_prompts=True), BARE)
    spec = ServerPlan(config, BARE, None).controller_spec("ipc:///x")
    assert (spec.config.record, spec.config.record_prompts) == (str(tmp_path / "mine"), True)
    with pytest.raises(ConfigError, match=r"--record .* can't be written to"):
        resolve(ServerConfig(simulated=True, record="/nowhere/trace"), BARE)
    with pytest.raises(ConfigError, match="give --record FILE"):
        resolve(ServerConfig(simulated=True, record_prompts=True), BARE)


def test_the_models_dialect_must_be_known() -> None:
    """It is kept as it was given; a misspelt one is refused with the near one."""
    assert resolve(ServerConfig(simulated=True, sql_dialect="SQLite"), BARE).sql_dialect == "SQLite"
    with pytest.raises(ConfigError, match=r"--sql-dialect: .*did you mean sqlite\?") as raised:
        resolve(ServerConfig(simulated=True, sql_dialect="sqllite"), BARE)
    assert raised.value.field == "sql_dialect"


def test_the_journal_is_where_the_user_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of one's own is found from anywhere; one that can't be written to is refused by its flag."""
    monkeypatch.chdir(tmp_path)
    config = resolve(ServerConfig(simulated=True, journal="mine"), BARE)
    controller = ServerPlan(config, BARE, embedded="/models/tiny").family_in(tmp_path / "run").controller
    assert ControllerSpec.from_json(controller.line).config.journal == str(tmp_path / "mine")
    for wrong in (str(tmp_path), "/nowhere/journal"):
        with pytest.raises(ConfigError, match=r"--journal .* can't be written to: name a file"):
            resolve(ServerConfig(simulated=True, journal=wrong), BARE)


def test_plan_for_gpus(model: Callable[..., str]) -> None:
    """A tensor-parallel runtime gets its GPUs and no core; SGLang is as talkative as the rest."""
    config = resolve(ServerConfig(model_path=model(), tp_size=2, log_level="info"), GPUS)
    (worker,) = ServerPlan(config, GPUS, embedded=None).worker_specs("ipc:///x")
    assert (worker.device, worker.gpu_ids, worker.cpu_core) == ("cuda", (0, 1), None)
    assert worker.engine_args == {"log_level": "info"}


@pytest.mark.parametrize("guessed", [False, True])
def test_caches_are_followed_unless_the_user_objects(guessed: bool) -> None:
    """--no-kv-events reaches every worker."""
    plan = ServerPlan(
        resolve(ServerConfig(simulated=True, no_kv_events=guessed), BARE), BARE, embedded="/models/tiny"
    )
    assert {worker.kv_events for worker in plan.worker_specs("ipc:///x")} == {not guessed}


def test_simulated_runtimes_are_not_pinned() -> None:
    """Stand-ins are marked as such for worker and controller and bound to no core."""
    config = resolve(ServerConfig(simulated=True), BARE)
    plan = ServerPlan(config, BARE, embedded="/models/tiny")
    workers = plan.worker_specs("ipc:///x")
    assert all(worker.simulated and worker.cpu_core is None for worker in workers)
    assert plan.controller_spec("ipc:///x").config.simulated
