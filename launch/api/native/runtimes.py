"""SGLang's routes about the server itself, answered for all runtimes together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from launch.api.answer_models import LoadAnswer, Loads, RuntimeHealth, ServerInfo
from launch.api.error_answers import error_docs
from launch.api.replies import JsonResponse
from launch.api.services import ApiServices, Services
from sched.errors import InvalidRequestError, UnavailableError

router = APIRouter(tags=["SGLang"])

HEALTH_SECONDS = 20.0
"""SGLang's own limit."""
_RETRY_AFTER_SECONDS = 2.0
_MAX_SECONDS = 600.0
_ENGINE = "sglang "

_SECTIONS = {
    "memory": "memory",
    "spec": "speculative",
    "lora": "lora",
    "disagg": "disaggregation",
    "queues": "queues",
}
"""The parts of a load by the names that ``include`` knows them by; the rest is ``core``."""

_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
_FLUSHED = _TEXT | error_docs(409, 422, 502, 503)

Timeout = Annotated[float, Query(ge=0, le=_MAX_SECONDS, description="Seconds.")]


@router.get("/health_generate", response_model=RuntimeHealth, responses=error_docs(422, 503))
async def health_generate(services: Services, timeout: Timeout = HEALTH_SECONDS) -> Response:
    """Have every runtime generate one token, and say how long each took.

    The token goes before all calls; of a runtime that is full with others and goes on with them, that is
    enough (`generated` is then false).  503 if a runtime is missing or too slow.
    """
    replies = await services.controller.fleet.health(timeout)
    failed = [f"{name}: {reply.error}" for name, reply in replies.items() if reply.error]
    if failed:
        raise UnavailableError("not healthy: " + "; ".join(failed), retry_after=_RETRY_AFTER_SECONDS)
    return JsonResponse({"status": "ok", "runtimes": {name: reply.result for name, reply in replies.items()}})


@router.get("/get_server_info", include_in_schema=False)
@router.get("/server_info", response_model=ServerInfo, responses=error_docs(503))
async def server_info(services: Services) -> Response:
    """Describe the server under SGLang's names: what the arguments of all runtimes have in common.

    `internal_states` has one entry per scheduler of the runtimes, with `runtime`, the one that it is of.
    """
    infos = await services.controller.fleet.server_infos()
    if not infos:
        raise UnavailableError("no runtime answers", retry_after=_RETRY_AFTER_SECONDS)
    states = [{"runtime": name} | state for name, info in infos.items() for state in info["internal_states"]]
    return JsonResponse(
        _common(list(infos.values()))
        | dict(services.model_info)
        | {
            "version": _version(services),
            "max_total_num_tokens": sum(info["max_total_num_tokens"] for info in infos.values()),
            "internal_states": states,
            "workers": services.controller.workers.describe(),
        }
    )


@router.get(
    "/v1/loads",
    response_model=Loads,
    responses=_TEXT | error_docs(400, 422),
)
async def loads(
    services: Services,
    include: Annotated[str, Query(description="core, memory, spec, lora, disagg, queues, all")] = "all",
    dp_rank: int | None = None,
    format: Literal["json", "prometheus"] = "json",  # noqa: A002 (SGLang's name)
) -> Response:
    """Return the load of each runtime under SGLang's names, a runtime standing where SGLang has a `dp_rank`.

    A runtime that doesn't answer is left out.
    """
    wanted = {part.strip() for part in include.split(",")}
    unknown = sorted(wanted - {"core", "all", *_SECTIONS})
    if unknown:
        known = ", ".join(["core", *_SECTIONS, "all"])
        raise InvalidRequestError(f"include: {unknown[0]!r} is unknown; known are: {known}", field="include")
    hidden = set() if "all" in wanted else {key for name, key in _SECTIONS.items() if name not in wanted}
    shown = [
        {key: value for key, value in load.items() if key not in hidden}
        for load in await services.controller.fleet.loads()
        if dp_rank in (None, load["dp_rank"])
    ]
    if format == "prometheus":
        return PlainTextResponse(_as_metrics(shown), media_type="text/plain; version=0.0.4; charset=utf-8")
    workers = services.controller.workers
    devices = {worker.hello.device for name in workers.expected if (worker := workers.get(name))}
    now = datetime.now(UTC).isoformat()
    accelerator = ", ".join(sorted(devices)) or None
    return JsonResponse(
        {"timestamp": now, "version": _version(services), "accelerator": accelerator, "loads": shown}
    )


@router.get("/get_load", response_model=list[LoadAnswer], deprecated=True)
async def get_load(services: Services) -> Response:
    """Return the load of each runtime as earlier versions of SGLang did."""
    return JsonResponse(
        [
            {
                "dp_rank": load["dp_rank"],
                "runtime": load["runtime"],
                "num_reqs": load["num_running_reqs"] + load["num_waiting_reqs"],
                "num_waiting_reqs": load["num_waiting_reqs"],
                "num_tokens": load.get("num_total_tokens", load["num_used_tokens"]),
            }
            for load in await services.controller.fleet.loads()
        ]
    )


# Without a class of answers, whose content type those of errors would have.
@router.get("/flush_cache", response_class=Response, responses=_FLUSHED)
@router.post("/flush_cache", response_class=Response, responses=_FLUSHED)
async def flush_cache(services: Services, timeout: Timeout = 0.0) -> Response:
    """Empty the prefix cache of every runtime.

    409 if calls are still in flight after `timeout`: nothing is interrupted.
    """
    await services.controller.fleet.flush_caches(timeout)
    return PlainTextResponse("Cache flushed.\n")


def _common(infos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first, *others = infos
    return {
        name: value
        for name, value in first.items()
        if all(name in other and other[name] == value for other in others)
    }


def _version(services: ApiServices) -> str | None:
    """Return the version of the runtimes' SGLang, the first one's if they differ."""
    workers = services.controller.workers
    versions = (worker.hello.engine_version for name in workers.expected if (worker := workers.get(name)))
    return next((version.removeprefix(_ENGINE) for version in versions), None)


def _as_metrics(loads: Iterable[Mapping[str, Any]]) -> str:
    """Return ``loads`` as Prometheus' text, under SGLang's names."""
    samples: dict[str, list[str]] = {}
    for load in loads:
        labels = f'{{dp_rank="{load["dp_rank"]}",runtime="{load["runtime"]}"}}'
        parts = [("", load), *((f"{name}_", load.get(key) or {}) for name, key in _SECTIONS.items())]
        for prefix, part in parts:
            for key, value in part.items():
                if isinstance(value, int | float) and key != "dp_rank":
                    samples.setdefault(f"sglang_{prefix}{key}", []).append(f"{labels} {value}")
    text = ""
    for name, values in samples.items():
        text += f"# TYPE {name} gauge\n" + "".join(f"{name}{value}\n" for value in values)
    return text
