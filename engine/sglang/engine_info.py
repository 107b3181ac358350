"""What an SGLang engine says of itself, as plain data.  No SGLang is imported here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_SECRETS = ("api_key", "password")
_MODEL = ("model_path", "tokenizer_path")
_HOST = re.compile(r"ipc://|(?<![\w.:/])/\w")
"""A socket, or an absolute path."""


async def server_info(manager: Any) -> dict[str, Any]:
    """Return the engine's resolved arguments, and each scheduler's state under ``internal_states``.

    Keys and passwords are left out, and so is what names folders or sockets of the host, but for the model's:
    clients load the tokenizer from there.
    """
    import msgspec  # comes with SGLang

    states = msgspec.to_builtins(await manager.get_internal_state(), str_keys=True, enc_hook=str)
    shown = [_shown(state) for state in states]
    return {**shown[0], "internal_states": shown}


def _shown(value: Any) -> Any:
    """Return ``value`` without the entries of its dictionaries that clients may not see."""
    if isinstance(value, dict):
        return {name: _shown(each) for name, each in value.items() if not _hidden(name, each)}
    return [_shown(each) for each in value] if isinstance(value, list) else value


def _hidden(name: str, value: Any) -> bool:
    secret = any(part in name for part in _SECRETS)
    host = isinstance(value, str) and name not in _MODEL and _HOST.search(value) is not None
    return secret or host


def tokenizer_folder(model_path: str) -> Path:
    """Return the local folder of a model given by folder or by its name on the Hugging Face hub."""
    if Path(model_path).is_dir():
        return Path(model_path)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model_path, allow_patterns=["tokenizer*"]))
