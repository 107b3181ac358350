"""Policies by name.

``launch/`` registers the shipped ones, so that neither this package nor ``engine`` imports ``plugins``.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, Generic, TypeVar

from sched.errors import ConfigError

P = TypeVar("P")


class Registry(Generic[P]):
    """Names of one kind of policy, each standing for ``"module:attribute"``."""

    def __init__(self, kind: str, protocol: type[P]) -> None:
        self.kind = kind
        self._protocol = protocol
        self._targets: dict[str, str] = {}

    def add(self, name: str, target: str) -> None:
        """Register ``name`` for ``target`` (``"module:attribute"``).

        Raises:
            ConfigError: the name is taken.
        """
        if name in self._targets:
            raise ConfigError(f"{self.kind} policy {name!r} is registered twice", field=self.kind)
        self._targets[name] = target

    def names(self) -> list[str]:
        """Return the registered names in order of registration."""
        return list(self._targets)

    def load(self, name: str) -> P:
        """Return a new policy for a registered ``name`` or a user's ``"module:attribute"``.

        Raises:
            ConfigError: unknown name, failing import, or an object that is no policy of this kind.
        """
        target = self._targets.get(name, name)
        flag = f"--{self.kind}"
        module_name, colon, attribute = target.partition(":")
        if not colon or not module_name or not attribute:
            raise ConfigError(
                f"{flag}: unknown policy {name!r}; choose one of {', '.join(self._targets)} "
                "or give your own as module:attribute",
                field=self.kind,
            )
        try:
            factory: Any = getattr(importlib.import_module(module_name), attribute)
            policy = factory() if isinstance(factory, type) else factory
        except Exception as error:
            raise ConfigError(
                f"{flag}: {target!r} can't be loaded ({type(error).__name__}: {error}); "
                f"modules are looked up in {sys.path[0] or 'the current folder'} and PYTHONPATH",
                field=self.kind,
            ) from error
        if not isinstance(policy, self._protocol):
            raise ConfigError(
                f"{flag}: {target!r} is no {self.kind} policy: it needs what "
                f"{self._protocol.__module__}.{self._protocol.__name__} describes",
                field=self.kind,
            )
        return policy
