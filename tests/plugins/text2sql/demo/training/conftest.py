"""What the tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plugins.text2sql.demo.training.language.world import World, demo_world


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The demo database as the generator of questions sees it."""
    with demo_world() as world:
        yield world
