"""What these tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from plugins.text2sql.databases import DatabaseRegistry
from plugins.text2sql.shop import build_shop


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseRegistry]:
    """A registry with the demo shop as ``shop``, for the statements of one module."""
    path = tmp_path_factory.mktemp("registry") / "shop.sqlite"
    build_shop(path)
    with closing(DatabaseRegistry()) as registry:
        registry.register("shop", path)
        yield registry
