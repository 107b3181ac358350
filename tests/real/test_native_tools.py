"""Tools and thinking in a model's own formats, found in its chat template by SGLang, on a real runtime."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.random_model import default_folder, ensure_model
from tests.real.real_server import real_server

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

QWEN_LIKE = """{%- for tool in tools or [] %}{{ tool | tojson }}
{% endfor %}
{%- for m in messages %}<|{{ m.role }}|>
{{ m.content }}{% for call in m.tool_calls or [] %}<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|end|>
{% endfor %}
{%- if add_generation_prompt %}<|assistant|>
{% if enable_thinking is defined and enable_thinking is false %}<think></think>
{% endif %}{% endif %}"""
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "count_rows",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"table": {"type": "string", "enum": ["orders", "customers"]}},
            "required": ["table"],
            "additionalProperties": False,
        },
    },
}


def test_a_models_own_formats_are_found_bound_and_read(tmp_path: Path) -> None:
    """Calls in Qwen's tags follow their schema, whole and streamed; thinking stands apart."""
    model = tmp_path / "qwen-like"
    shutil.copytree(ensure_model(default_folder()), model)
    (model / "chat_template.jinja").write_text(QWEN_LIKE, encoding="utf-8")
    folder = tmp_path / "server"
    folder.mkdir()
    http = httpx.Client(trust_env=False)
    arguments = ("--model-path", str(model), "--cpu-slots", "1")
    with (
        real_server(folder, *arguments) as server,
        openai.OpenAI(
            base_url=f"{server.url}/v1", api_key="any", timeout=120.0, max_retries=0, http_client=http
        ) as client,
    ):
        assert [worker["tool_call_parser"] for worker in server.workers()] == ["qwen"]
        options: Any = {
            "model": "qwen-like",
            "messages": [{"role": "user", "content": "How many orders?"}],
            "tools": [TOOL],
            "tool_choice": "required",
            "parallel_tool_calls": False,
            "temperature": 0,
            "max_tokens": 200,
            "extra_body": {"chat_template_kwargs": {"enable_thinking": False}},
        }
        choice = client.chat.completions.create(**options).choices[0]
        (call,) = choice.message.tool_calls or []
        assert call.type == "function"
        assert (call.function.name, choice.message.content) == ("count_rows", None)
        assert json.loads(call.function.arguments)["table"] in ("orders", "customers")
        parts = [
            part.function.arguments or ""
            for chunk in client.chat.completions.create(stream=True, **options)
            for part in chunk.choices[0].delta.tool_calls or []
            if part.function
        ]
        assert "".join(parts) == call.function.arguments
        history = [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "12"}]
        options["messages"] = [*options["messages"], *history]
        again = client.chat.completions.create(**options).choices[0]
        assert again.finish_reason in ("tool_calls", "length")
        thinking = client.chat.completions.create(
            model="qwen-like", messages=[{"role": "user", "content": "Why?"}], max_tokens=8
        ).choices[0]
        assert not thinking.message.content
        assert (thinking.message.model_extra or {})["reasoning_content"]
