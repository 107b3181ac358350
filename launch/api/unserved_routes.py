"""Routes of SGLang's and OpenAI's that aren't served here, and what to do instead.

They are answered with 404, not 501: clients try again after errors from 500 on.
"""

from __future__ import annotations

from collections.abc import Mapping

_TEXT = "this server takes and gives text only"
_EMBEDS = "the served model generates text; start SGLang's own server with --is-embedding beside this one"
_STORED = "nothing of that is stored here; keep it at the client"
_RESTART = "the runtimes must stay alike; restart the server with the other model, or flags behind --"
_PROFILE = "GET /workers and /metrics show each runtime's load; profile a server of SGLang's own"
_ALWAYS = "there is no pause; POST /abort_request stops calls"
_CORPORA = "the served runtimes use no external corpora"
_HICACHE = "the served runtimes use no storage behind their cache; POST /flush_cache empties the cache"
_READ = "POST /v1/chat/completions gives what was read of an output: tool_calls and reasoning_content"

UNSERVED: Mapping[str, str] = {
    # SGLang's
    "/encode": _EMBEDS,
    "/classify": _EMBEDS,
    "/v1/classify": _EMBEDS,
    "/v1/rerank": _EMBEDS,
    "/v1/score": "ask /generate for log probabilities (return_logprob, token_ids_logprob)",
    "/v1/decisions": "ask /generate for log probabilities (return_logprob, token_ids_logprob)",
    "/parse_function_call": _READ,
    "/separate_reasoning": _READ,
    "/open_session": "name the calls' workflow in workflow.id; their shared prefix is cached",
    "/close_session": "end a workflow with workflow.last, or DELETE /v1/workflows/{id}",
    "/start_profile": _PROFILE,
    "/stop_profile": _PROFILE,
    "/set_trace_level": _PROFILE,
    "/start_expert_distribution_record": _PROFILE,
    "/stop_expert_distribution_record": _PROFILE,
    "/dump_expert_distribution_record": _PROFILE,
    "/dumper": _PROFILE,
    "/freeze_gc": "the controller does it itself",
    "/configure_logging": "set the log's level when you start the server",
    "/set_internal_state": _RESTART,
    "/slow_down": _ALWAYS,
    "/pd_role_switch": _RESTART,
    "/pause_generation": _ALWAYS,
    "/continue_generation": _ALWAYS,
    "/load_lora_adapter": "LoRA adapters aren't served; serve a model with the adapter merged into it",
    "/load_lora_adapter_from_tensors": "LoRA adapters aren't served; serve a model with it merged into it",
    "/unload_lora_adapter": "LoRA adapters aren't served",
    "/update_weights_from_disk": _RESTART,
    "/update_weights_from_tensor": _RESTART,
    "/update_weights_from_distributed": _RESTART,
    "/update_weights_from_ipc": _RESTART,
    "/update_weight_version": _RESTART,
    "/begin_weight_update": _RESTART,
    "/end_weight_update": _RESTART,
    "/init_weights_update_group": _RESTART,
    "/destroy_weights_update_group": _RESTART,
    "/init_weights_send_group_for_remote_instance": _RESTART,
    "/send_weights_to_remote_instance": _RESTART,
    "/get_remote_instance_transfer_engine_info": _RESTART,
    "/remote_instance_transfer_engine_info": _RESTART,
    "/get_weights_by_name": "read them from the model's folder",
    "/weights_checker": "every runtime proves at its start that it holds the same model",
    "/release_memory_occupation": _RESTART,
    "/resume_memory_occupation": _RESTART,
    "/add_external_corpus": _CORPORA,
    "/remove_external_corpus": _CORPORA,
    "/list_external_corpora": _CORPORA,
    "/hicache": _HICACHE,
    "/clear_hicache_storage_backend": _HICACHE,
    "/scale_elastic_ep": _RESTART,
    "/is_scaling_elastic_ep": _RESTART,
    "/ping": "GET /health",
    "/invocations": "use /v1/chat/completions",
    "/vertex_generate": "use /generate",
    "/v1/systemone": "use /v1/chat/completions",
    "/v1/messages": "use /v1/chat/completions",
    "/api": "use /v1/chat/completions: this is no Ollama",
    # OpenAI's
    "/v1/embeddings": _EMBEDS,
    "/v1/audio": _TEXT,
    "/v1/images": _TEXT,
    "/v1/videos": _TEXT,
    "/v1/realtime": _TEXT,
    "/v1/moderations": "no model for that is served; ask in a chat, with response_format",
    "/v1/chat/completions": _STORED,
    "/v1/conversations": "POST /v1/responses begins and continues the conversation that it names",
    "/v1/assistants": "OpenAI has deprecated them; use /v1/chat/completions with tools",
    "/v1/threads": "OpenAI has deprecated them; use /v1/chat/completions with tools",
    "/v1/batches": "send the requests side by side: they are queued, and may have a lower priority",
    "/v1/files": _STORED,
    "/v1/uploads": _STORED,
    "/v1/vector_stores": _STORED,
    "/v1/containers": "no code is run here",
    "/v1/fine_tuning": "models aren't trained here",
    "/v1/evals": "models aren't evaluated here",
    "/v1/chatkit": _STORED,
    # vLLM's, for which clients look
    "/v1/load_lora_adapter": "LoRA adapters aren't served; serve a model with the adapter merged into it",
    "/v1/unload_lora_adapter": "LoRA adapters aren't served",
    "/pooling": _EMBEDS,
    "/score": "ask /generate for log probabilities (return_logprob, token_ids_logprob)",
    "/rerank": _EMBEDS,
}
"""What to do instead, by the route, which stands for all that is below it."""


def unserved(path: str) -> str | None:
    """Return what to tell a client that asked for ``path``; ``None`` where that is no route we know of."""
    parts = path.rstrip("/").split("/")
    above = ("/".join(parts[:length]) for length in range(len(parts), 1, -1))
    route = next((route for route in above if route in UNSERVED), None)
    return None if route is None else f"{path} is not served here: {UNSERVED[route]}"
