"""SmolLM2 itself, from its package: transformers reads it, and it knows the capital of France."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.sglang import cpu

pytestmark = pytest.mark.slow

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def transformers() -> Any:
    cpu.install()  # transformers looks into torchvision, too
    import transformers

    return transformers


@pytest.fixture(scope="module")
def words(smollm2: Path, transformers: Any) -> Any:
    return transformers.AutoTokenizer.from_pretrained(smollm2)


def prompt(words: Any) -> str:
    """Return the question as the model expects it."""
    return str(words.apply_chat_template(QUESTION, tokenize=False, add_generation_prompt=True))


def test_the_tokenizer_is_the_model_s(words: Any) -> None:
    """Texts come back; a special token is one id; digits stand alone, a space is part of the next word."""
    for text in ("Hello  world,\n\n\tit's 2024", "Zoë — 日本 🤖", "<|im_start|>user\nHello<|im_end|>\n"):
        assert words.decode(words.encode(text)) == text
    assert words.encode("<|endoftext|><|im_start|><|im_end|>") == [0, 1, 2]
    assert words.tokenize("the world in 2024") == ["the", "Ġworld", "Ġin", "Ġ", "2", "0", "2", "4"]
    assert (words.eos_token_id, words.bos_token_id, len(words)) == (2, 1, 49152)


def test_the_prompt_is_the_model_s(words: Any) -> None:
    """A system message of its own unless there is one."""
    assert prompt(words) == (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
        "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_it_answers_and_ends(smollm2: Path, words: Any, transformers: Any) -> None:
    """With the most likely token each time: a wrong order of any weight would make noise of it."""
    model = transformers.AutoModelForCausalLM.from_pretrained(smollm2)
    asked = words(prompt(words), return_tensors="pt")
    written = model.generate(**asked, do_sample=False, max_new_tokens=60)[0, asked["input_ids"].shape[1] :]
    assert "Paris" in words.decode(written)
    assert int(written[-1]) == words.convert_tokens_to_ids("<|im_end|>")
