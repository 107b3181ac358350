"""When two models have the same tokenizer: the one rule, for the launcher and for workers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from sched.errors import ConfigError

TOKENIZER_FILE = "tokenizer.json"
"""The only form that serves: the controller encodes every prompt with it."""
_ESSENCE = ("model", "added_tokens", "normalizer", "pre_tokenizer")


def tokenizer_hash(folder: Path) -> str:
    """Return a hash of the tokenizer in ``folder``: 16 hex digits, the same however its file is formatted.

    Raises:
        ConfigError: there is no tokenizer file, or something else in it.
    """
    path = folder / TOKENIZER_FILE
    try:
        content = json.loads(path.read_bytes())
        essence = {part: content.get(part) for part in _ESSENCE}
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path} can't be read as a tokenizer ({error}); save the model's fast tokenizer there",
            field="model_path",
        ) from error
    return hashlib.sha256(json.dumps(essence, sort_keys=True).encode()).hexdigest()[:16]
