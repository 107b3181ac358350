"""The demo model's tokenizer: whole words and SQL phrases, a token per digit, pieces for anything else."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from plugins.text2sql.demo.training.tasks import Task

END, PAD, SYSTEM, USER, ASSISTANT = "<|end|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL = (END, PAD, SYSTEM, USER, ASSISTANT)
VOCABULARY = 2304
_MERGES = 480
_LEAST = 25
"""How often a word must occur to be a token."""

_READING = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))


def train_tokenizer(tasks: Sequence[Task]) -> Tokenizer:
    """Return a tokenizer with the frequent words of ``tasks`` whole and byte-level BPE for the rest.

    Raises:
        ValueError: the words leave no room in a vocabulary of ``VOCABULARY``.
    """
    split = pre_tokenizers.Split(Regex("|".join(_READING["pieces"])), "isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    before = pre_tokenizers.Sequence([split, bytes_])
    words: Counter[str] = Counter()
    for text in _texts(tasks):
        words.update(piece for piece, _ in before.pre_tokenize_str(text))
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = before
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=len(SPECIAL) + len(alphabet) + _MERGES,
        special_tokens=list(SPECIAL),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    learner.train_from_iterator(_texts(tasks), trainer)
    parts = json.loads(learner.to_str())["model"]
    vocabulary = dict(parts["vocab"])
    for word, count in words.most_common():
        if count >= _LEAST and len(vocabulary) < VOCABULARY:
            vocabulary.setdefault(word, len(vocabulary))
    merges = [tuple(merge) for merge in parts["merges"]]
    # A whole word of the vocabulary is taken as it is; merges are for the others.
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=True))
    tokenizer.pre_tokenizer = before
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def _texts(tasks: Sequence[Task]) -> Iterator[str]:
    for task in tasks:
        yield from (segment.text for segment in task.prompt)
        yield task.answer


def encode(tokenizer: Tokenizer, task: Task) -> tuple[list[int], int]:
    """Return the token ids of ``task`` with the end, and how many of them are the prompt's.

    Segments are encoded one by one, as the server does it.
    """
    prompt = [i for part in task.prompt for i in tokenizer.encode(part.text, add_special_tokens=False).ids]
    answer = tokenizer.encode(task.answer, add_special_tokens=False).ids
    return [*prompt, *answer, tokenizer.token_to_id(END)], len(prompt)


def save_tokenizer(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """Write ``tokenizer`` to ``folder`` as transformers and SGLang read it."""
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "eos_token": END,
        "pad_token": PAD,
        "additional_special_tokens": [SYSTEM, USER, ASSISTANT],
        "clean_up_tokenization_spaces": False,
        "chat_template": _READING["chat_template"],
    }
    (folder / "tokenizer_config.json").write_text(
        f"{json.dumps(config, indent=2, sort_keys=True)}\n", "utf-8"
    )
