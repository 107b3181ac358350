"""The demo model's network: a small Llama, written out so that it trains fast on one CPU core."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

CONTEXT = 8192
"""What the model's configuration allows; it has learned from texts of up to some 150 tokens."""
_THETA = 10_000.0
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Size:
    """The network's measures."""

    vocabulary: int
    width: int = 256
    layers: int = 4
    heads: int = 4
    feed_forward: int = 704


def _linear(**shapes: tuple[int, int]) -> nn.ModuleDict:
    return nn.ModuleDict({name: nn.Linear(*shape, bias=False) for name, shape in shapes.items()})


class _Layer(nn.Module):
    """A layer whose parts have transformers' names."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads = size.heads
        wide, deep = size.width, size.feed_forward
        self.self_attn = _linear(
            q_proj=(wide, wide), k_proj=(wide, wide), v_proj=(wide, wide), o_proj=(wide, wide)
        )
        self.mlp = _linear(gate_proj=(wide, deep), up_proj=(wide, deep), down_proj=(deep, wide))
        self.input_layernorm = nn.RMSNorm(size.width, eps=_EPSILON)
        self.post_attention_layernorm = nn.RMSNorm(size.width, eps=_EPSILON)

    def forward(
        self, x: Tensor, cosine: Tensor, sine: Tensor, mask: Tensor, chosen: Tensor | None = None
    ) -> Tensor:
        batch, length, width = x.shape
        normed = self.input_layernorm(x)

        def split(projected: Tensor) -> Tensor:
            return projected.view(batch, length, self.heads, -1).transpose(1, 2)

        q = _rotated(split(self.self_attn["q_proj"](normed)), cosine, sine)
        k = _rotated(split(self.self_attn["k_proj"](normed)), cosine, sine)
        # Written out: on a CPU the fused attention's backward pass takes several times as long.
        scores = q @ k.transpose(-1, -2) * (width // self.heads) ** -0.5 + mask
        mixed = scores.softmax(-1).to(q.dtype) @ split(self.self_attn["v_proj"](normed))
        mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        if chosen is not None:  # of the last layer nothing else is looked at
            x, mixed = x[chosen], mixed[chosen]
        x = x + self.self_attn["o_proj"](mixed)
        normed = self.post_attention_layernorm(x)
        gated = functional.silu(self.mlp["gate_proj"](normed)) * self.mlp["up_proj"](normed)
        hidden: Tensor = x + self.mlp["down_proj"](gated)
        return hidden


class Network(nn.Module):
    """A Llama with tied embeddings."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.embed_tokens = nn.Embedding(size.vocabulary, size.width)
        self.layers = nn.ModuleList(_Layer(size) for _ in range(size.layers))
        self.norm = nn.RMSNorm(size.width, eps=_EPSILON)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids: Tensor, chosen: Tensor) -> Tensor:
        """Return the logits (n, vocabulary) at the ``chosen`` places (a mask) of ``ids`` (batch, length)."""
        length = ids.shape[1]
        half = self.size.width // self.size.heads // 2
        frequencies = _THETA ** (-torch.arange(half, device=ids.device) / half)
        angles = torch.outer(torch.arange(length, device=ids.device), frequencies).repeat(1, 2)
        mask = torch.full((length, length), float("-inf"), device=ids.device).triu(1)
        x = self.embed_tokens(ids)
        *first, last = self.layers
        for layer in first:
            x = layer(x, angles.cos(), angles.sin(), mask)
        x = last(x, angles.cos(), angles.sin(), mask, chosen)
        return functional.linear(self.norm(x), self.embed_tokens.weight)

    def save(self, folder: Path, end: int, pad: int) -> None:
        """Write weights (float16) and configuration to ``folder`` as transformers and SGLang read them."""
        weights = {f"model.{name}": tensor.half().cpu() for name, tensor in self.state_dict().items()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        size = asdict(self.size)
        config = {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": size["width"],
            "num_hidden_layers": size["layers"],
            "num_attention_heads": size["heads"],
            "num_key_value_heads": size["heads"],
            "head_dim": size["width"] // size["heads"],
            "intermediate_size": size["feed_forward"],
            "vocab_size": size["vocabulary"],
            "max_position_embeddings": CONTEXT,
            "hidden_act": "silu",
            "rms_norm_eps": _EPSILON,
            "rope_theta": _THETA,
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            "eos_token_id": end,
            "pad_token_id": pad,
        }
        (folder / "config.json").write_text(f"{json.dumps(config, indent=2, sort_keys=True)}\n", "utf-8")


def _rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Return ``x`` with rotary positions, halves paired as in transformers' Llama."""
    one, two = x.chunk(2, -1)
    return (x * cosine + torch.cat((-two, one), -1) * sine).to(x.dtype)
