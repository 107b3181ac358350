"""Sluice's scheduling core: pure decisions, no input or output.

The project's layout gives this package the name of the standard library's ``sched`` module and,
because programs run from the checkout, shadows it.  Some third-party code still does
``import sched; sched.scheduler(...)``, so this module serves the standard library's two public
names on demand.  Nothing of Sluice is exported here: import the submodules.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sysconfig
from typing import Any

_STDLIB_NAMES = ("Event", "scheduler")


def __getattr__(name: str) -> Any:
    """Return ``Event`` or ``scheduler`` of the standard library's ``sched`` module.

    Raises:
        AttributeError: for every other name.
        ImportError: if the standard library's module can't be found.
    """
    if name not in _STDLIB_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    spec = importlib.machinery.PathFinder.find_spec("sched", [sysconfig.get_path("stdlib")])
    if spec is None or spec.loader is None:
        raise ImportError("the standard library's sched module was not found")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    globals().update({public: getattr(module, public) for public in _STDLIB_NAMES})
    return globals()[name]
