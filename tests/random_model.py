"""A tiny Llama with random weights, made on the spot, for tests of runtimes that need no sense.
  Everything is derived from this file, so the same
version of it makes the same bytes; no torch is imported.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HIDDEN, LAYERS, HEADS, FEED_FORWARD, VOCABULARY, CONTEXT = 256, 4, 4, 688, 4096, 8192
END, SYSTEM, USER, ASSISTANT, PAD = (
    "<|end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|pad|>",
)
_SPECIAL_TOKENS = (END, PAD, SYSTEM, USER, ASSISTANT)
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)

_PROMPT_WORDS = """
a about above after again all also an and answer any are as ask at average based be because been before below
best between both but by calculate can candidate cheapest check choose city clause column columns compare
condition context correct could count country create current customer data database date day days decide
describe description did different display do does done down during each earliest either else empty error
errors every exactly example examples execute execution expected explain fail failed false few field fields
final find first fix follow following for foreign format found from full further generate get give given
greater had has have here high higher highest how however if in include including information instead into is
it its join just keep key keys know language largest last latest least less let like limit link linking list
long longest lower lowest made make many matching maximum may mean means message might minimum missing model
month months more most much must name named names need never new next no none not note now null number numbers
of off often on once one only or order other our out output over part per percent percentage please previous
price primary problem produce provide query question questions quickly read reason recent record records
reference references relation relevant repeat report request required result results return returned revise
revision right row rows same sample schema second see select selection shall short should show shown similar
simple since single smallest so some specific start state statement step steps still such sum syntax system
table tables take tell than that the their them then there these they think third this those three through
time times to today together too top total translate true try two type types under unique unknown until up use
used user uses using valid value values very want was we week well were what when where whether which while
who whose why will with within without word words would write wrong year years yes yet you your zero
"""
_SQL_WORDS = """
SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT OFFSET DISTINCT AS JOIN INNER LEFT RIGHT FULL OUTER CROSS ON
USING AND OR NOT IN IS NULL LIKE BETWEEN EXISTS CASE WHEN THEN ELSE END UNION ALL INTERSECT EXCEPT WITH
RECURSIVE ASC DESC COUNT SUM AVG MIN MAX TOTAL ROUND ABS CAST COALESCE NULLIF IFNULL LENGTH LOWER UPPER TRIM
SUBSTR REPLACE INSTR DATE TIME DATETIME JULIANDAY STRFTIME CURRENT_DATE CURRENT_TIMESTAMP INTEGER REAL TEXT
BLOB NUMERIC VARCHAR CHAR BOOLEAN FLOAT DOUBLE DECIMAL TIMESTAMP PRIMARY KEY FOREIGN REFERENCES UNIQUE CHECK
DEFAULT CREATE TABLE INDEX VIEW INSERT INTO VALUES UPDATE SET DELETE OVER PARTITION ROWS RANGE PRECEDING
FOLLOWING UNBOUNDED CURRENT ROW ROW_NUMBER RANK DENSE_RANK LAG LEAD FIRST_VALUE LAST_VALUE NTILE GLOB
"""
_SCHEMA_WORDS = """
account address amount author balance bank birth book brand budget campaign card cart category channel client
code comment company contact cost county course created currency customer deliver department discount district
driver email employee event expense fee film flight gender genre grade hire hospital hotel inventory invoice
item kind lead league loan location manager market medal member merchant method movie note office order
parent patient payment phone photo player postal price product profile project promotion purchase quantity
race rating reason refund region rental review role salary sale school score season segment seller session
ship shipment shop size source staff status stock store student subject supplier support tag target tax team
ticket title track transaction transfer transport unit updated user vehicle vendor visit warehouse weight
"""
_SUFFIXES = (
    "_id",
    "_name",
    "_date",
    "_count",
    "_total",
    "_at",
    "_type",
    "_code",
    "s",
    "s.id",
    "s.name",
)
_MARKS = """( ) , ; . * = <> != < > <= >= + - / % || ' " ` [ ] { } : ? ! # @ & | ~ ^ -- ``` ```sql => ::"""


def _corpus() -> Iterator[str]:
    """Yield the text from which the tokenizer learns its merges."""
    english, sql, nouns = _PROMPT_WORDS.split(), _SQL_WORDS.split(), _SCHEMA_WORDS.split()
    for words, repeats in ((english, 9), (sql, 12), (nouns, 6)):
        for word in words:
            yield f" {word}" * repeats
            yield f"\n{word} {word.capitalize()}" * 2
            yield word * 2
    for noun, suffix in itertools.product(nouns, _SUFFIXES):
        yield f" {noun}{suffix}" * 2
    for noun, keyword in zip(itertools.cycle(nouns), sql, strict=False):
        yield (f"{keyword} {noun}.{noun}_id, T1.name FROM {noun}s AS T1 {keyword} T1.id = T2.{noun}_id\n" * 2)
    for mark in _MARKS.split():
        yield f" {mark} {mark}{mark}\n{mark} " * 4
    for number in itertools.chain(range(100), range(1990, 2031)):
        yield f" {number} {number:02d} '{number}'-{number}\n"
    yield "\n\n    \n        \n  \n\t\n" * 8


def _write_tokenizer(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=1,
        special_tokens=list(_SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise RuntimeError(f"the corpus yields only {tokenizer.get_vocab_size()} tokens")
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": CONTEXT,
            "eos_token": END,
            "pad_token": PAD,
            "additional_special_tokens": [SYSTEM, USER, ASSISTANT],
            "clean_up_tokenization_spaces": False,
            "chat_template": _CHAT_TEMPLATE,
        },
    )
    return {token: tokenizer.token_to_id(token) for token in _SPECIAL_TOKENS}


def _write_weights(path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    generator = np.random.Generator(np.random.PCG64(20240229))

    def matrix(rows: int, columns: int) -> Any:
        return generator.standard_normal((rows, columns), dtype=np.float32) * np.float32(0.02)

    def ones() -> Any:
        return np.ones(HIDDEN, dtype=np.float32)

    tensors = {"model.embed_tokens.weight": matrix(VOCABULARY, HIDDEN), "model.norm.weight": ones()}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name in ("q", "k", "v", "o"):
            tensors[f"{prefix}self_attn.{name}_proj.weight"] = matrix(HIDDEN, HIDDEN)
        tensors[f"{prefix}mlp.gate_proj.weight"] = matrix(FEED_FORWARD, HIDDEN)
        tensors[f"{prefix}mlp.up_proj.weight"] = matrix(FEED_FORWARD, HIDDEN)
        tensors[f"{prefix}mlp.down_proj.weight"] = matrix(HIDDEN, FEED_FORWARD)
        tensors[f"{prefix}input_layernorm.weight"] = ones()
        tensors[f"{prefix}post_attention_layernorm.weight"] = ones()
    save_file(tensors, path, metadata={"format": "pt"})


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _write_configs(folder: Path, ids: dict[str, int]) -> None:
    _write_json(
        folder / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS,
            "head_dim": HIDDEN // HEADS,
            "intermediate_size": FEED_FORWARD,
            "vocab_size": VOCABULARY,
            "max_position_embeddings": CONTEXT,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0,
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            "eos_token_id": ids[END],
            "pad_token_id": ids[PAD],
        },
    )
    _write_json(folder / "generation_config.json", {"eos_token_id": ids[END], "pad_token_id": ids[PAD]})


def folder_name() -> str:
    """Return the name of the model's folder; it changes whenever this generator does."""
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return f"sluice-tiny-random-v1-{digest[:10]}"


def default_folder() -> Path:
    """Return the cache folder: ``$XDG_CACHE_HOME/sluice``, by default ``~/.cache/sluice``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice"


def ensure_model(folder: Path) -> Path:
    """Return the model's folder under ``folder``, making it first if it isn't there.

    Takes a few seconds once.  Safe to call from several processes at a time: each builds aside and
    the first rename wins.

    Raises:
        OSError: ``folder`` can't be written.
    """
    target = folder / folder_name()
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
    try:
        _write_configs(building, _write_tokenizer(building))
        _write_weights(building / "model.safetensors")
        building.chmod(0o755)
        building.rename(target)
    except OSError:
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


if __name__ == "__main__":
    print(ensure_model(Path(sys.argv[1]) if len(sys.argv) > 1 else default_folder()))
