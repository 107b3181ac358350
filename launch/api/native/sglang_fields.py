"""SGLang's request fields that have no effect here yet: refused by name, never silently ignored.

Each stands with the value by which SGLang's clients say "not used"; that one, and ``null``, are accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launch.api.bodies import few_fields
from sched.errors import InvalidRequestError

_UNSET = [
    "input_embeds",
    "image_data",
    "video_data",
    "audio_data",
    "mm_hashes",
    "mm_content_hashes",
    "video_config",
    "sampling_logprobs_mode",
    "modalities",
    "session_params",
    "lora_path",
    "lora_id",
    "custom_logit_processor",
    "positional_embed_overrides",
    "bootstrap_host",
    "bootstrap_port",
    "bootstrap_room",
    "bootstrap_pair_key",
    "decode_tp_size",
    "routed_dp_rank",
    "data_parallel_rank",
    "disagg_prefill_dp_rank",
    "routing_key",
    "conversation_id",
    "http_worker_ipc",
    "max_thinking_tokens",
    "extra_key",
    "custom_labels",
    "external_trace_header",
    "received_time",
    "need_wait_for_mm_inputs",
    "num_items_assigned",
    "encoder_urls",
    "max_dynamic_patch",
    "min_dynamic_patch",
    "image_max_dynamic_patch",
    "video_max_dynamic_patch",
    "images_config",
    "multi_item_delimiter_indices",
    "token_indices_to_pool",
    "cache_salt",
    "kv_hints",
]
_OFF = [
    "use_audio_in_video",
    "return_sampling_mask",
    "return_flat_raw_top_logprobs",
    "return_flat_raw_top_logprobs_b64",
    "return_hidden_states",
    "return_routed_experts",
    "return_indexer_topk",
    "background",
    "require_reasoning",
    "no_logs",
    "return_bytes",
    "return_entropy",
    "return_prompt_token_ids",
]

REQUEST_FIELDS: Mapping[str, Any] = {
    **dict.fromkeys(_UNSET),
    **dict.fromkeys(_OFF, False),
    "log_metrics": True,
    "routed_experts_start_len": 0,
}
"""Of ``GenerateReqInput``."""

SAMPLING_FIELDS: Mapping[str, Any] = {"beam_width": 1, "custom_params": {}, "stream_interval": None}
"""Of ``SamplingParams``."""


def refuse(data: Any, unused: Mapping[str, Any], prefix: str = "") -> Any:
    """Return ``data``, if it is an object, without the fields of ``unused`` that say "not used".

    Raises:
        InvalidRequestError: one of them has another value; ``prefix`` precedes its name.
        ValueError: it has more fields than there are.
    """
    if not isinstance(few_fields(data), dict):
        return data
    for name in data.keys() & unused.keys():
        value = data[name]
        if value is not None and value != unused[name]:
            raise InvalidRequestError(
                f"{prefix}{name} is SGLang's, but not supported here yet: leave it out", field=prefix + name
            )
    return {name: value for name, value in data.items() if name not in unused}
