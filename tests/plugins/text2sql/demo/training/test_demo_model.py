"""The demo model as it is shipped, and the questions it is asked."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from launch.demo_assets import demo_model
from launch.server.model_folders import declared_context
from plugins.text2sql.demo.question.familiar import known_words, unfamiliar
from plugins.text2sql.demo.training.exam import read_questions
from plugins.text2sql.demo.training.language.world import World
from plugins.text2sql.demo.training.tasks import tasks
from sched.errors import ConfigError


def test_it_is_small_and_whole() -> None:
    """At most 16 MB, with all that SGLang needs, and a card that says what it is."""
    folder = Path(demo_model())
    assert sum(file.stat().st_size for file in folder.iterdir()) < 16e6
    assert declared_context(demo_model()) == 8192
    assert {"config.json", "tokenizer.json", "tokenizer_config.json", "README.md"} <= {
        file.name for file in folder.iterdir()
    }


def test_its_tokenizer_loses_nothing(world: World) -> None:
    """Every answer comes back as it was, every prompt fits in a few tokens."""
    tokenizer = Tokenizer.from_file(f"{demo_model()}/tokenizer.json")
    for task in itertools.islice(tasks(world, random.Random(9)), 500):
        for text in [task.answer, *(segment.text for segment in task.prompt)]:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            assert tokenizer.decode(ids) == text
            assert len(ids) < 200


def test_strange_words_are_named() -> None:
    """A question about something else is recognised by its words; stored values are no strangers."""
    known = known_words(["Ġorders", "Ġhow", "many", "Ġfrom", "<|end|>", "Ġ="])
    assert unfamiliar("How many order from Tokyo by spaceship?", known, ["customers.city = 'Tokyo'"]) == [
        "spaceship"
    ]
    assert unfamiliar("how many orders", known, []) == []


def test_a_broken_file_of_questions_is_refused(tmp_path: Path) -> None:
    """The message names the file and the line."""
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps({"question": "How many?", "sql": "SELECT 1"}) + "\n{}\n")
    with pytest.raises(ConfigError, match=r"questions\.jsonl, line 2"):
        read_questions(file)
    with pytest.raises(ConfigError, match="name a file"):
        read_questions(tmp_path / "missing")
