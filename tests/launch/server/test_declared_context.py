"""What a model's folder says of its context is believed only where it is plain."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.server.model_folders import declared_context


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ('{"max_position_embeddings": 8192}', 8192),
        ('{"max_position_embeddings": 8192, "rope_scaling": null}', 8192),
        ('{"max_position_embeddings": 8192, "rope_scaling": {"factor": 4.0}}', None),
        ('{"text_config": {"max_position_embeddings": 8192}}', None),
        ("[]", None),
        ("{", None),
    ],
)
def test_only_a_plain_context_counts(tmp_path: Path, config: str, tokens: int | None) -> None:
    """A scaled or nested one is left to SGLang, so that no model is refused wrongly."""
    (tmp_path / "config.json").write_text(config)
    assert declared_context(str(tmp_path)) == tokens


def test_a_folder_without_configuration_says_nothing(tmp_path: Path) -> None:
    """Other checks refuse it."""
    assert declared_context(str(tmp_path)) is None
