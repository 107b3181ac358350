"""A tiny Llama as a GGUF file, written by the format's own package, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np
from tokenizers import pre_tokenizers

from launch.models.gguf_file import Weights

HIDDEN, FEED, LAYERS, HEADS, KEPT_HEADS, CONTEXT = 64, 96, 2, 4, 2, 128
HEAD = HIDDEN // HEADS
END_OF_TEXT, START, END, NOTE = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<note>"
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ hello"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_KINDS = {NOTE: gguf.TokenType.USER_DEFINED} | dict.fromkeys(
    (END_OF_TEXT, START, END), gguf.TokenType.CONTROL
)


def vocabulary() -> list[str]:
    """Return the tokens in the order of their ids: special ones, bytes, merges, and one of a user."""
    merged = [merge.replace(" ", "") for merge in MERGES]
    return [END_OF_TEXT, START, END, *sorted(pre_tokenizers.ByteLevel.alphabet()), *merged, NOTE]


@dataclass
class TinyLlama:
    """What to write: a Llama, tied or not, with some metadata changed and tensors left out or added.

    ``weights`` has its tensors, random ones, by their names in the file.
    """

    tied: bool = True
    changed: dict[str, str | int | float] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    quantised: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32

    def __post_init__(self) -> None:
        random = np.random.default_rng(7)
        size = len(vocabulary())
        kept = HEAD * KEPT_HEADS
        shapes = {"token_embd": (size, HIDDEN), "output_norm": (HIDDEN,)}
        if not self.tied:
            shapes["output"] = (size, HIDDEN)
        for layer in range(LAYERS):
            shapes |= {
                f"blk.{layer}.attn_norm": (HIDDEN,),
                f"blk.{layer}.attn_q": (HIDDEN, HIDDEN),
                f"blk.{layer}.attn_k": (kept, HIDDEN),
                f"blk.{layer}.attn_v": (kept, HIDDEN),
                f"blk.{layer}.attn_output": (HIDDEN, HIDDEN),
                f"blk.{layer}.ffn_norm": (HIDDEN,),
                f"blk.{layer}.ffn_gate": (FEED, HIDDEN),
                f"blk.{layer}.ffn_up": (FEED, HIDDEN),
                f"blk.{layer}.ffn_down": (HIDDEN, FEED),
            }
        shapes |= dict.fromkeys(self.added, (HIDDEN,))
        self.weights: dict[str, Weights] = {
            f"{name}.weight": random.standard_normal(shape).astype(np.float32)
            for name, shape in shapes.items()
            if name not in self.left_out
        }

    def write(self, path: Path) -> Path:
        """Write the file and return its path."""
        writer = gguf.GGUFWriter(path, str(self.changed.get("architecture", "llama")))
        writer.add_context_length(CONTEXT)
        writer.add_embedding_length(HIDDEN)
        writer.add_block_count(LAYERS)
        writer.add_feed_forward_length(FEED)
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(KEPT_HEADS)
        writer.add_rope_dimension_count(int(self.changed.get("rope_dimensions", HEAD)))
        writer.add_rope_freq_base(50000.0)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_tokenizer_model(str(self.changed.get("tokenizer", "gpt2")))
        writer.add_tokenizer_pre(str(self.changed.get("rule", "smollm")))
        tokens = vocabulary()
        writer.add_token_list(tokens)
        writer.add_token_types([_KINDS.get(token, gguf.TokenType.NORMAL) for token in tokens])
        writer.add_token_merges(MERGES)
        writer.add_bos_token_id(tokens.index(START))
        writer.add_eos_token_id(tokens.index(END))
        writer.add_pad_token_id(tokens.index(END))
        writer.add_unk_token_id(tokens.index(END_OF_TEXT))
        if "template" not in self.left_out:
            writer.add_chat_template(TEMPLATE)
        for name, values in self.weights.items():
            if values.ndim == 1:
                writer.add_tensor(name, values)
            else:
                writer.add_tensor(name, gguf.quantize(values, self.quantised), raw_dtype=self.quantised)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path
