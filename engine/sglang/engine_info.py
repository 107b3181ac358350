"""What an SGLang engine says of itself, as plain data.  No SGLang is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_SECRETS = ("api_key", "password")


async def server_info(manager: Any) -> dict[str, Any]:
    """Return the engine's resolved arguments, and each scheduler's state under ``internal_states``."""
    import msgspec  # comes with SGLang

    states = msgspec.to_builtins(await manager.get_internal_state(), str_keys=True, enc_hook=str)
    shown = [{name: value for name, value in state.items() if not _secret(name)} for state in states]
    return {**shown[0], "internal_states": shown}


def _secret(name: str) -> bool:
    return any(part in name for part in _SECRETS)


def tokenizer_folder(model_path: str) -> Path:
    """Return the local folder of a model given by folder or by its name on the Hugging Face hub."""
    if Path(model_path).is_dir():
        return Path(model_path)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model_path, allow_patterns=["tokenizer*"]))
