"""What ``/model_info`` says of the served model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from launch.server.config import ControllerSpec


def model_info(spec: ControllerSpec) -> dict[str, Any]:
    """Return SGLang's fields with what ``config.json`` says, and whether the model is a stand-in."""
    try:
        config = json.loads((Path(spec.model_path) / "config.json").read_bytes())
    except (OSError, ValueError):
        config = {}
    return {
        "model_path": spec.model_path,
        "tokenizer_path": spec.model_path,
        "served_model_name": spec.served_model_name,
        "is_generation": True,
        "preferred_sampling_params": None,
        "weight_version": "default",
        "reasoning_parser": None,
        "tool_call_parser": None,
        "disaggregation_mode": "null",
        "has_image_understanding": False,
        "has_audio_understanding": False,
        "model_type": config.get("model_type"),
        "architectures": config.get("architectures"),
        "embedded_model": spec.embedded_model,
        "simulated": spec.config.simulated,
    }
