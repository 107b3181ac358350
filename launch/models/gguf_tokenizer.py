"""The tokenizer in a GGUF file, as the files of a Hugging Face tokenizer."""

from __future__ import annotations

from typing import Any

import gguf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from launch.models.gguf_file import GgufError, GgufFile

_SPLITS = {"smollm": [pre_tokenizers.Digits(individual_digits=True)]}
"""What cuts a text before the byte-level rule does, by the name that GGUF has for it."""


def tokenizer(file: GgufFile) -> Tokenizer:
    """Return the byte-level BPE tokenizer; control tokens are special, each a single id.

    Raises:
        GgufError: it is of another kind.
    """
    kind, rule = file["tokenizer.ggml.model"], file["tokenizer.ggml.pre"]
    if kind != "gpt2" or rule not in _SPLITS:
        raise GgufError(
            f"the tokenizer {kind!r} with the rule {rule!r} is not converted: {sorted(_SPLITS)} are"
        )
    tokens = file["tokenizer.ggml.tokens"]
    # No token holds a space: the byte-level alphabet writes it as Ġ.
    merges = [tuple(merge.split(" ")) for merge in file["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE({token: place for place, token in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [*_SPLITS[rule], pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    kinds = file["tokenizer.ggml.token_type"]
    for token, of_kind in zip(tokens, kinds, strict=True):
        if of_kind == gguf.TokenType.CONTROL:
            made.add_special_tokens([AddedToken(token, normalized=False, special=True)])
        elif of_kind == gguf.TokenType.USER_DEFINED:
            made.add_tokens([AddedToken(token, normalized=False)])
    return made


def tokenizer_config(file: GgufFile) -> dict[str, Any]:
    """Return what ``tokenizer_config.json`` holds: the special tokens' roles and the chat template.

    The class is the one that takes ``tokenizer.json`` as it is; others would put their own rules in.

    Raises:
        GgufError: there is no chat template.
    """
    tokens = file["tokenizer.ggml.tokens"]
    roles = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    special = {
        f"{role}_token": tokens[file[key]]
        for role, name in roles.items()
        if (key := f"tokenizer.ggml.{name}_token_id") in file
    }
    return special | {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": file["llama.context_length"],
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "chat_template": file["tokenizer.chat_template"],
    }
