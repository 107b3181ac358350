"""A Llama in a GGUF file, as the configuration and weights of a Hugging Face model."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from launch.models.gguf_file import GgufError, GgufFile, Weights

END_OF_TEXT = "<|endoftext|>"
"""Ends an answer, too, where a vocabulary has it beside the end of a message."""

_WHOLE = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def config(file: GgufFile) -> dict[str, Any]:
    """Return what ``config.json`` holds, the output layer untied until the weights say otherwise.

    Raises:
        GgufError: the model is no Llama, or one with a kind of attention that is not converted.
    """
    if (architecture := file["general.architecture"]) != "llama":
        raise GgufError(f"the architecture {architecture!r} is not converted, only 'llama'")
    hidden, heads = file["llama.embedding_length"], file["llama.attention.head_count"]
    if file["llama.rope.dimension_count"] * heads != hidden:
        raise GgufError("a rotary embedding of a part of each head is not converted")
    if "llama.rope.scaling.type" in file:
        raise GgufError("a scaled rotary embedding is not converted")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": file["llama.feed_forward_length"],
        "num_hidden_layers": file["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": file["llama.attention.head_count_kv"],
        "max_position_embeddings": file["llama.context_length"],
        "rope_theta": _shortest(file["llama.rope.freq_base"]),
        "rms_norm_eps": _shortest(file["llama.attention.layer_norm_rms_epsilon"]),
        "vocab_size": len(file["tokenizer.ggml.tokens"]),
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "bos_token_id": file["tokenizer.ggml.bos_token_id"],
        "eos_token_id": file["tokenizer.ggml.eos_token_id"],
    }


def generation_config(file: GgufFile) -> dict[str, Any]:
    """Return what ``generation_config.json`` holds: the tokens that begin a text and end an answer."""
    ends = [file["tokenizer.ggml.eos_token_id"]]
    tokens = file["tokenizer.ggml.tokens"]
    if END_OF_TEXT in tokens and (other := tokens.index(END_OF_TEXT)) not in ends:
        ends.append(other)
    return {"bos_token_id": file["tokenizer.ggml.bos_token_id"], "eos_token_id": ends}


def weights(file: GgufFile, model: dict[str, Any]) -> dict[str, Weights]:
    """Return the weights of the model with the configuration ``model``, by their Hugging Face names.

    Without an output layer of its own, the output is tied to the embedding.

    Raises:
        GgufError: a tensor is missing, unknown, or of another shape than the configuration says.
    """
    found = {}
    for name, values in file.weights():
        part = name.split(".")[-2] if "." in name else name
        heads = {"attn_q": model["num_attention_heads"], "attn_k": model["num_key_value_heads"]}.get(part)
        found[_renamed(name)] = values if heads is None else _halves(values, heads)
    expected = _shapes(model)
    if "lm_head.weight" not in found:
        del expected["lm_head.weight"]
    shapes = {name: values.shape for name, values in found.items()}
    for name in sorted(expected.keys() | shapes.keys()):
        if shapes.get(name) != expected.get(name):
            raise GgufError(
                f"{name} should be {expected.get(name, 'absent')}, but is {shapes.get(name, 'absent')}"
            )
    return found


def _renamed(name: str) -> str:
    """Return the Hugging Face name of a tensor of a GGUF file."""
    if layer := re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name):
        if layer[2] in _LAYER:
            return f"model.layers.{layer[1]}.{_LAYER[layer[2]]}.weight"
    elif name.removesuffix(".weight") in _WHOLE:
        return f"{_WHOLE[name.removesuffix('.weight')]}.weight"
    raise GgufError(f"the tensor {name} has no place in a Llama")


def _halves(values: Weights, heads: int) -> Weights:
    """Return the rows of queries or keys in Hugging Face's order.

    Rotary embeddings turn pairs of rows of a head: neighbours in a GGUF file, row ``i`` of the first half and
    row ``i`` of the second half in a Hugging Face model.
    """
    if values.shape[0] % (2 * heads):
        raise GgufError(f"{values.shape[0]} rows of queries or keys are not pairs of {heads} heads")
    pairs = values.reshape(heads, -1, 2, *values.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(values.shape)


def _shapes(model: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight of a Llama with an output layer."""
    hidden, feed, vocabulary = model["hidden_size"], model["intermediate_size"], model["vocab_size"]
    kept = hidden // model["num_attention_heads"] * model["num_key_value_heads"]
    of_part = {
        "attn_norm": (hidden,),
        "attn_q": (hidden, hidden),
        "attn_k": (kept, hidden),
        "attn_v": (kept, hidden),
        "attn_output": (hidden, hidden),
        "ffn_norm": (hidden,),
        "ffn_gate": (feed, hidden),
        "ffn_up": (feed, hidden),
        "ffn_down": (hidden, feed),
        "token_embd": (vocabulary, hidden),
        "output_norm": (hidden,),
        "output": (vocabulary, hidden),
    }
    whole = {f"{name}.weight": of_part[part] for part, name in _WHOLE.items()}
    return whole | {
        f"model.layers.{layer}.{name}.weight": of_part[part]
        for layer in range(model["num_hidden_layers"])
        for part, name in _LAYER.items()
    }


def _shortest(value: float) -> float:
    """Return the number that was meant by a float32: 1e-05, not 9.999999747378752e-06."""
    return float(str(np.float32(value)))
