"""When two models have the same tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.wire.tokenizer_identity import TOKENIZER_FILE, tokenizer_hash
from sched.errors import ConfigError

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a tokenizer into a folder of the given name and return the folder."""

    def make(name: str, content: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / TOKENIZER_FILE).write_text(content)
        return folder

    return make


def test_it_is_told_by_what_it_does(write: Write) -> None:
    """Layout, the order of keys and what changes no token don't count; the vocabulary does."""
    one = write("one", '{"model": {"a": 1, "b": 2}, "truncation": null}')
    laid_out = write("laid out", '{\n  "truncation": {"n": 9},\n  "model": {"b": 2, "a": 1}\n}')
    other = write("other", '{"model": {"a": 2, "b": 1}, "truncation": null}')
    assert tokenizer_hash(one) == tokenizer_hash(laid_out)
    assert tokenizer_hash(one) != tokenizer_hash(other)


@pytest.mark.parametrize("content", ["{", "[]", "\x00"])
def test_something_else_in_the_file(write: Write, content: str) -> None:
    """The file and the remedy are named."""
    folder = write("model", content)
    with pytest.raises(ConfigError, match=rf"{TOKENIZER_FILE} can't be read .* save the model's fast"):
        tokenizer_hash(folder)


def test_no_file(tmp_path: Path) -> None:
    """The same without a file."""
    with pytest.raises(ConfigError, match=r"tokenizer.json can't be read .*No such file"):
        tokenizer_hash(tmp_path)
