"""SGLang's own flags, given after ``--`` or as ``args`` of a runtime: checked here, used by the workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plugins.text2sql.databases.address import shown
from sched.errors import ConfigError

_SERVER_WIDE = "this is a setting of Sluice itself: give it before `--` or as a key"
_NO_KEYS = "requests are not authenticated yet: leave it out, and put a proxy that checks keys in front"
_NO_TLS = "Sluice serves plain HTTP: leave it out, and put a proxy with the certificate in front"
_REFUSED = {
    "api_key": _NO_KEYS,
    "admin_api_key": _NO_KEYS,
    "ssl_keyfile": _NO_TLS,
    "ssl_certfile": _NO_TLS,
    "ssl_ca_certs": _NO_TLS,
    "ssl_keyfile_password": _NO_TLS,
    "enable_ssl_refresh": _NO_TLS,
    "model": "give --model-path before `--`",
    "model_path": _SERVER_WIDE,
    "host": _SERVER_WIDE,
    "port": _SERVER_WIDE,
    "tp": "give --tp-size before `--`",
    "tp_size": _SERVER_WIDE,
    "tensor_parallel_size": "give --tp-size before `--`",
    "mem_fraction_static": _SERVER_WIDE,
    "tokenizer_path": "the tokenizer is read from the model's folder: leave it out",
    "device": "the device follows from --gpus: leave it out",
    "base_gpu_id": "choose GPUs with --gpus before `--`",
    "gpu_id_step": "choose GPUs with --gpus before `--`",
    "schedule_policy": "the queue is ordered by --ordering: leave it out",
    "enable_priority_scheduling": "the queue is ordered by --ordering: leave it out",
}


def parse_engine_args(tokens: Sequence[str]) -> dict[str, Any]:
    """Return command-line ``tokens`` by SGLang's names: ``--chunked-prefill-size 512`` is
    ``{"chunked_prefill_size": 512}``; a flag without a value is ``True``, one with several a list.

    Raises:
        ConfigError: a value without a flag, a flag given twice, or one that Sluice sets.
    """
    gathered: dict[str, list[Any]] = {}
    values: list[Any] | None = None
    for token in tokens:
        if token.startswith("--"):
            name, equals, value = token[2:].partition("=")
            name = name.replace("-", "_")
            if name in gathered:
                raise ConfigError(f"--{name.replace('_', '-')} is given twice after `--`", field=name)
            values = gathered[name] = [_converted(value)] if equals else []
        elif values is None:
            said = shown(token)  # it may be the address of a database
            raise ConfigError(f"{said!r} after `--` belongs to no flag: write --flag {said}")
        else:
            values.append(_converted(token))
    found = {name: _single(given) for name, given in gathered.items()}
    check_engine_args(found, "after `--`")
    return found


def check_engine_args(arguments: Mapping[str, Any], where: str) -> None:
    """Refuse arguments that Sluice sets itself; ``where`` tells the user where they stand.

    Raises:
        ConfigError: names the flag and what to do instead.
    """
    for name in arguments:
        if not name.isidentifier():
            raise ConfigError(f"{where}: write {name!r} as {name.replace('-', '_')!r}", field=name)
        if name in _REFUSED:
            raise ConfigError(f"--{name.replace('_', '-')} {where}: {_REFUSED[name]}", field=name)


def _single(values: list[Any]) -> Any:
    return values if len(values) > 1 else values[0] if values else True


def _converted(text: str) -> Any:
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
