"""A module's or a class's name says which one is meant: none occurs twice in the repository's packages."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = [
    path for package in ("sched", "engine", "plugins", "launch") for path in (ROOT / package).rglob("*.py")
]
ENTRY_POINTS = {"__init__", "__main__"}
"""Module names that Python prescribes."""


def twice(names: list[str]) -> set[str]:
    """Return the names that occur more than once."""
    return {name for name, count in Counter(names).items() if count > 1}


def test_no_module_name_occurs_twice() -> None:
    """Folders don't tell modules apart."""
    assert twice([path.stem for path in SOURCES]) <= ENTRY_POINTS


def test_no_class_name_occurs_twice() -> None:
    """Modules don't tell classes apart, private ones included."""
    trees = [ast.parse(path.read_text()) for path in SOURCES]
    names = [node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    assert twice(names) == set()
