"""What a user can set, with its only defaults, and what the controller is told.

``ServerConfig`` is read by :mod:`launch.server.sources` and completed by :mod:`launch.server.resolve`:
afterwards it names every runtime, and that is what ``--print-config`` prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter, with_config

from engine.controller.journal.disk_sync import SyncPolicy
from engine.wire.link_keys import ControllerKeys
from sched.limits import CoreLimits
from sched.liveness import LifeLimits

EMBEDDED = "embedded"
"""The model path that stands for the embedded default model."""
DEFAULT_CPU_SLOTS = 2
DEFAULT_ADMISSION = "slo_aware"


def _split(value: Any) -> Any:
    """Flags and environment variables give a list as ``0,1``."""
    return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _from_json(value: Any) -> Any:
    """Flags and environment variables give a mapping as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{value!r} is not JSON: {error}") from error


GpuIds = Annotated[tuple[NonNegativeInt, ...], BeforeValidator(_split)]
Names = Annotated[tuple[Annotated[str, Field(pattern=r"^[^\s/:]+$")], ...], BeforeValidator(_split)]
MIN_SQL_MEMORY_BYTES = 256 << 20
"""What a process with the drivers loaded needs, and some more for results."""
Fraction = Annotated[float, Field(gt=0, lt=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Temperature = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
LogLevel = Literal["debug", "info", "warning", "error"]
SHOWN_LEVELS = ("debug", "info")
"""The log levels at which the launcher shows the log of every process."""
_STRICT = ConfigDict(extra="forbid")


def _help(text: str) -> Any:
    return Field(description=text)


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """A ``[[runtime]]`` table.  What it leaves out comes from the server-wide settings.

    ``args`` are SGLang's server arguments by SGLang's names; ``slowdown`` k ≥ 1 stretches each forward
    pass k times.  ``gpus`` is empty on CPU.  ``sm_share`` is its share of a GPU's multiprocessors, which only
    NVIDIA's MPS (``nvidia-cuda-mps-control -d``) grants; without it runtimes on one GPU take turns.
    """

    name: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$")] = ""
    model_path: str = ""
    gpus: GpuIds = ()
    mem_fraction_static: Fraction | None = None
    sm_share: Fraction | None = None
    slowdown: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    args: Mapping[str, Any] = field(default_factory=dict)


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """A ``[database_options.NAME]`` table: what of database NAME is shown to the model, and in which words.

    ``include`` and ``exclude`` are patterns of tables and views, such as ``sales_*``.  ``descriptions`` is a
    TOML or JSON file, or a folder of CSV files (:mod:`plugins.text2sql.databases.descriptions`).
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    descriptions: str | None = None


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Everything a user can set; ``None`` means "found out".  Times in seconds.

    The same names are flags (``--model-path``), environment variables (``SLUICE_MODEL_PATH``) and keys
    of the configuration file (``model_path``).  A description makes a field a flag and is its help text.
    """

    model_path: Annotated[str | None, _help("the model's folder (without GPU: the tiny demo model)")] = None
    gpus: Annotated[GpuIds | None, _help("GPUs to use, as in 0,1 (default: all visible ones)")] = None
    cpu_slots: Annotated[
        PositiveInt | None,
        _help("runtimes where there is no GPU, one core each (default: 2, cores permitting)"),
    ] = None
    tp_size: Annotated[PositiveInt | None, _help("GPUs per runtime (default: 1)")] = None
    mem_fraction_static: Annotated[Fraction | None, _help("SGLang's share of memory, per runtime")] = None
    host: Annotated[str, _help("address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535), _help("port to listen on")] = 30000
    allowed_hosts: Annotated[
        Names,
        _help("further names that the server is known by, and of web pages that may use it; * for any"),
    ] = ()
    placement: Annotated[str, _help("where calls run: a shipped policy or module:attribute")] = "sluice"
    ordering: Annotated[str, _help("in which order: a shipped policy or module:attribute")] = "adaptive"
    admission: Annotated[str, _help("which workflows are served: a shipped policy or module:attribute")] = (
        DEFAULT_ADMISSION
    )
    default_slo_seconds: Annotated[Seconds, _help("deadline of workflows whose request names none")] = 60.0
    no_recognise_agents: Annotated[
        bool, _help("calls that say nothing of a workflow stand alone, whatever their messages tell")
    ] = False
    window_tokens: Annotated[PositiveInt, _help("prompt tokens sent ahead to a runtime; more is held")] = 4096
    max_waiting_calls: Annotated[PositiveInt, _help("waiting calls beyond which requests are refused")] = 1024
    max_open_workflows: Annotated[PositiveInt, _help("open workflows beyond which new ones are refused")] = (
        10_000
    )
    max_http_requests: Annotated[PositiveInt, _help("HTTP requests at work; more are refused")] = 4096
    max_http_bytes: Annotated[
        int, Field(ge=16 * 1024 * 1024), _help("bytes of bodies at work; more are refused (at least 16 MiB)")
    ] = 512 * 1024 * 1024
    call_timeout_seconds: Annotated[Seconds, _help("time limit of one call")] = 600.0
    start_timeout_seconds: Annotated[Seconds, _help("time limit of the start")] = 300.0
    hung_after_seconds: Annotated[
        float,
        Field(ge=3, allow_inf_nan=False),
        _help("without a sign of life, or 3 passes: a scheduler hangs"),
    ] = 3.0
    lost_after_seconds: Annotated[Seconds, _help("without a heartbeat: a runtime is lost")] = 10.0
    kill_after_seconds: Annotated[
        Seconds, _help("without a sign of life: a process is killed and started again")
    ] = 30.0
    link: Annotated[
        Literal["ipc", "tcp"], _help("workers join over a socket file, or over TCP, encrypted and with keys")
    ] = "ipc"
    link_port: Annotated[
        int | None, Field(ge=1, le=65535), _help("port for workers, with --link tcp (default: a free one)")
    ] = None
    drain_seconds: Annotated[Seconds, _help("time that running work has to finish at shutdown")] = 30.0
    workflow: Annotated[str, _help("what answers questions: a shipped kind or module:attribute")] = "text2sql"
    candidates: Annotated[PositiveInt, _help("SQL candidates per question")] = 3
    max_revisions: Annotated[NonNegativeInt, _help("rounds of correction per candidate")] = 3
    no_early_ending: Annotated[
        bool, _help("run every stage in full, as published, when results have already decided")
    ] = False
    prompt_format: Annotated[
        Literal["auto", "chat", "raw"],
        _help("the workflow's prompts: in the model's chat template, raw, or auto (where it has one)"),
    ] = "auto"
    chat_template_kwargs: Annotated[
        Mapping[str, Any],
        BeforeValidator(_from_json),
        _help("""variables of the chat template, as JSON: '{"enable_thinking": false}'"""),
    ] = field(default_factory=dict)
    thinking_tokens: Annotated[
        NonNegativeInt, _help("tokens that a reasoning model may think before SQL, besides the SQL's")
    ] = 2048
    max_sql_tokens: Annotated[PositiveInt, _help("tokens of one SQL statement")] = 512
    max_answer_tokens: Annotated[PositiveInt, _help("tokens of one answer of another stage")] = 256
    candidate_temperature: Annotated[
        Temperature, _help("temperature of further candidates; the first of each style has 0")
    ] = 0.7
    revision_temperature: Annotated[Temperature, _help("temperature of revisions")] = 0.5
    sql_timeout_seconds: Annotated[Seconds, _help("time limit of one SQL statement")] = 10.0
    max_rows: Annotated[PositiveInt, _help("rows of one result; more are cut off")] = 1000
    conversations: Annotated[
        PositiveInt, _help("conversations remembered for follow-up questions, the latest used ones")
    ] = 1000
    conversation_seconds: Annotated[
        Seconds, _help("time after its latest question for which a conversation is remembered")
    ] = 3600.0
    sql_memory_bytes: Annotated[
        int, Field(ge=MIN_SQL_MEMORY_BYTES), _help("memory of each of the four processes that run statements")
    ] = 2 << 30
    sql_dialect: Annotated[
        str | None,
        _help("dialect of SQL that the model writes, as in sqlite; translated (default: the database's)"),
    ] = None
    prompt_profile: Annotated[
        str,
        _help("prompts: compact, full with worked examples (9,000 tokens), or your own module:attribute"),
    ] = "compact"
    schema_shape: Annotated[
        Literal["auto", "whole", "linked"],
        _help("what prompts show after linking: the whole schema, linked tables, or the cheaper (auto)"),
    ] = "auto"
    linking_parts: Annotated[
        NonNegativeInt,
        _help("parts of a schema beyond the context that linking asks about, by relevance; 0: all"),
    ] = 4
    journal: Annotated[
        str | None, _help("file that remembers workflows (default: one that goes with the server)")
    ] = None
    journal_bytes: Annotated[PositiveInt, _help("size of the journal; the oldest workflows leave it")] = (
        512 << 20
    )
    journal_sync: Annotated[
        SyncPolicy, _help("when the journal is forced to disk: always (each line), interval (1 s), never")
    ] = "interval"
    kept_bytes: Annotated[
        NonNegativeInt, _help("memory for ended workflows; older ones are read from the journal")
    ] = 256 << 20
    kept_responses: Annotated[
        NonNegativeInt, _help("responses that later ones may refer to; those used longest ago leave first")
    ] = 16_384
    kept_response_bytes: Annotated[NonNegativeInt, _help("what these take together, as JSON")] = 64 << 20
    workflow_idle_seconds: Annotated[
        Seconds, _help("silence after which an agent's workflow that lacks its last call is ended")
    ] = 600.0
    record: Annotated[
        str | None, _help("trace file to which finished workflows are appended, without their text")
    ] = None
    record_prompts: Annotated[bool, _help("keep the prompts' text in the recorded trace, too")] = False
    log_level: Annotated[LogLevel, _help("debug and info show the log of every process")] = "warning"
    no_kv_events: Annotated[bool, _help("guess what runtimes cache instead of following SGLang's events")] = (
        False
    )
    no_autotune: Annotated[bool, _help("leave the placement policy's parameters as they are")] = False
    no_calibration: Annotated[bool, _help("don't measure runtimes at their start, nor use what was kept")] = (
        False
    )
    prefill_budget: Annotated[
        NonNegativeInt | None,
        _help("tokens prefilled beside decoding; 0: as SGLang does (default: by calibration)"),
    ] = None
    recalibrate: Annotated[bool, _help("measure runtimes again, whatever was kept")] = False
    simulated: Annotated[bool, _help("start labelled stand-ins instead of SGLang runtimes")] = False
    databases: Mapping[str, str] = field(default_factory=dict, repr=False)
    database_options: Mapping[str, DatabaseOptions] = field(default_factory=dict)
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    runtime: tuple[RuntimeConfig, ...] = ()

    def limits(self) -> CoreLimits:
        """Return the bounds of the core."""
        return CoreLimits(
            window_tokens=self.window_tokens,
            max_waiting_calls=self.max_waiting_calls,
            max_open_workflows=self.max_open_workflows,
            workflow_ttl_seconds=self.workflow_idle_seconds,
        )

    def life_limits(self) -> LifeLimits:
        """Return how long processes may show no sign of life."""
        return LifeLimits(
            hung_seconds=self.hung_after_seconds,
            lost_seconds=self.lost_after_seconds,
            kill_seconds=self.kill_after_seconds,
        )


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSpec:
    """What the launcher tells the controller process: JSON, one line on its standard input.

    ``config`` is resolved; the rest is what the launcher alone knows.  ``endpoint`` is the ZMQ address to
    bind (``ipc://`` or ``tcp://``), ``keys`` are for TCP.  ``model_path`` is the folder that ``"embedded"``
    stands for, or the first runtime's.
    ``policy_path`` is the folder in which a user's policies are looked up, ``shared_folder`` that of the
    server's processes.
    """

    config: ServerConfig
    endpoint: str
    model_path: str
    served_model_name: str
    embedded_model: bool
    policy_path: str
    shared_folder: str | None = None
    keys: ControllerKeys | None = None

    @property
    def runtimes(self) -> tuple[str, ...]:
        """The names of the workers to expect."""
        return tuple(runtime.name for runtime in self.config.runtime)

    def to_json(self) -> bytes:
        """Return the spec as one line of JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: bytes) -> ControllerSpec:
        """Return the spec in ``line``.

        Raises:
            pydantic.ValidationError: not JSON, missing or unknown keys, wrong values.
        """
        return TypeAdapter(cls).validate_json(line)
