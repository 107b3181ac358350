"""Every field that OpenAI's clients and SGLang know is served, harmless or refused."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params

from launch.api.openai.request_models import ChatBody, CompletionBody
from launch.api.openai.unserved_fields import IGNORED, REFUSED
from tests.launch.api.openai.openai_stack import QUESTION, openai_app


async def test_what_asks_for_nothing_is_accepted() -> None:
    """Clients and frameworks send these with every request."""
    nothing = {
        "tools": [],
        "tool_choice": "auto",
        "modalities": ["text"],
        "store": False,
        "metadata": {"run": "7"},
        "user": "somebody",
        "service_tier": "auto",
        "prompt_cache_key": "k",
        "parallel_tool_calls": True,
        "lora_path": None,
        "separate_reasoning": True,
        "return_hidden_states": False,
        "response_format": {"type": "text"},
        "workflow": None,
    }
    async with openai_app() as api:
        response = await api.client.post("/v1/chat/completions", json={"messages": QUESTION} | nothing)
        assert response.status_code == 200, response.text
        response = await api.client.post(
            "/v1/completions", json={"prompt": "one", "echo": False, "best_of": 1}
        )
        assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("parameters", "body"),
    [
        (chat_create_params.CompletionCreateParamsBase, ChatBody),
        (completion_create_params.CompletionCreateParamsBase, CompletionBody),
    ],
)
def test_every_parameter_of_openais_client_is_served_or_refused(parameters: Any, body: Any) -> None:
    """A new one must not pass unnoticed."""
    assert set(parameters.__annotations__) <= {*body.model_fields, *IGNORED, *REFUSED}


@pytest.mark.parametrize(
    ("name", "body"), [("ChatCompletionRequest", ChatBody), ("CompletionRequest", CompletionBody)]
)
def test_every_field_of_sglangs_version_is_served_or_refused(name: str, body: Any) -> None:
    """SGLang's extra fields are known by name, too."""
    sglang = find_spec("sglang")
    if sglang is None or not sglang.submodule_search_locations:
        pytest.skip("SGLang is not installed")
    source = Path(sglang.submodule_search_locations[0], "srt/entrypoints/openai/protocol.py").read_text()
    (found,) = [n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == name]
    fields = {node.target.id for node in found.body if isinstance(node, ast.AnnAssign)}  # type: ignore[union-attr]
    assert fields <= {*body.model_fields, *IGNORED, *REFUSED}
