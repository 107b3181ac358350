"""The tokenizer of a GGUF file: texts to tokens and back, special tokens, the chat template."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from launch.api.openai.template import ChatTemplate
from launch.models.gguf_file import GgufError, GgufFile
from launch.models.gguf_tokenizer import tokenizer, tokenizer_config
from tests.launch.models.tiny_gguf import CONTEXT, END, END_OF_TEXT, NOTE, START, TinyLlama, vocabulary


@pytest.fixture
def words(tmp_path: Path) -> Tokenizer:
    return tokenizer(GgufFile(TinyLlama().write(tmp_path / "tiny.gguf")))


def test_texts_come_back(words: Tokenizer) -> None:
    """Whatever the bytes."""
    for text in ("hello  hello\n\n\tthere", " Zoë — 日本 🤖", f"{START}user\nhello{END}\n"):
        assert words.decode(words.encode(text).ids, skip_special_tokens=False) == text


def test_merges_hold_in_their_order(words: Tokenizer) -> None:
    """A word with its space is one token; digits stay alone."""
    assert words.encode("hello hello12").tokens == ["hello", "Ġhello", "1", "2"]
    assert words.encode("shell").tokens == ["s", "hell"]


def test_special_tokens_are_single_ids(words: Tokenizer) -> None:
    """They keep the ids of the file; only control tokens are left out of a decoded text."""
    tokens = vocabulary()
    assert words.get_vocab_size() == len(tokens)
    ids = words.encode(f"{START}a{NOTE}{END}{END_OF_TEXT}").ids
    assert [tokens[number] for number in ids] == [START, "a", NOTE, END, END_OF_TEXT]
    assert words.decode(ids) == f"a{NOTE}"


def test_nothing_is_put_in_front(words: Tokenizer) -> None:
    """The chat template writes every special token itself."""
    assert words.encode("hello").tokens == ["hello"]


def test_the_chat_template_comes_along(tmp_path: Path) -> None:
    """With the roles of the special tokens."""
    made = tokenizer_config(GgufFile(TinyLlama().write(tmp_path / "tiny.gguf")))
    assert [made[f"{role}_token"] for role in ("bos", "eos", "pad", "unk")] == [START, END, END, END_OF_TEXT]
    assert made["model_max_length"] == CONTEXT
    prompt = ChatTemplate(made["chat_template"]).segments([{"role": "user", "content": "hello"}], {})
    assert "".join(part.text for part in prompt) == f"{START}user\nhello{END}\n{START}assistant\n"


def test_a_model_without_a_template_is_refused(tmp_path: Path) -> None:
    """It could not chat."""
    file = GgufFile(TinyLlama(left_out=("template",)).write(tmp_path / "tiny.gguf"))
    with pytest.raises(GgufError, match=r"no tokenizer\.chat_template"):
        tokenizer_config(file)


@pytest.mark.parametrize("changed", [{"tokenizer": "llama"}, {"rule": "qwen2"}])
def test_another_kind_is_refused(tmp_path: Path, changed: dict[str, str | int | float]) -> None:
    """It would cut texts otherwise than the model learned."""
    file = GgufFile(TinyLlama(changed=changed).write(tmp_path / "tiny.gguf"))
    with pytest.raises(GgufError, match="is not converted"):
        tokenizer(file)
