"""Every name has one address: the module that defines it.

Mypy and Ruff refuse an import of a name from a module that only imports it (``no_implicit_reexport``) and the
alias that would allow it (``X as X``).  ``__all__`` would allow it, too.
"""

from __future__ import annotations

import ast
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("sched", "engine", "plugins", "launch")


def test_no_module_passes_on_names_of_others() -> None:
    """No module of the four packages has an ``__all__``."""
    files = [file for package in _PACKAGES for file in (_ROOT / package).rglob("*.py")]
    listing = [str(file.relative_to(_ROOT)) for file in files if "__all__" in _names(file)]
    assert len(files) > 100, "the packages were not found"
    assert listing == []


def _names(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
