"""What an engine says of itself holds nothing that clients may not see."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sglang.engine_info import server_info

pytest.importorskip("msgspec")


class Manager:
    """A tokenizer manager with one scheduler."""

    async def get_internal_state(self) -> list[dict[str, Any]]:
        return [
            {
                "model_path": "/models/small",
                "tokenizer_path": "/models/small",
                "api_key": "secret",
                "ssl_keyfile_password": "secret",
                "admin_api_key": None,
                "download_dir": "/home/me/cache",
                "kv_events_config": '{"endpoint": "ipc:///run/me/kv", "publisher": "zmq"}',
                "chat_template": None,
                "schedule_policy": "lpm",
                "ratio": "1/2",
                "context_length": 100,
                "nested": {"crash_dump_folder": "/var/me", "list": [{"api_key": "secret"}, 1], "kept": True},
            }
        ]


async def test_keys_and_folders_are_left_out() -> None:
    """But the model's folder stays, for SGLang's own clients."""
    state = {
        "model_path": "/models/small",
        "tokenizer_path": "/models/small",
        "chat_template": None,
        "schedule_policy": "lpm",
        "ratio": "1/2",
        "context_length": 100,
        "nested": {"list": [{}, 1], "kept": True},
    }
    assert await server_info(Manager()) == {**state, "internal_states": [state]}
