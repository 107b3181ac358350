"""Policies by name.

``launch/`` registers the shipped ones, so that neither this package nor ``engine`` imports ``plugins``.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_type_hints
from urllib.parse import parse_qsl

from sched.errors import ConfigError

P = TypeVar("P")


class Registry(Generic[P]):
    """Names of one kind of policy (or another ``noun``), each standing for ``"module:attribute"``.

    Parameters follow a name or target as in a URL: ``hexgen_flow?alpha=0.5``, ``sluice?harm=1&power=4``.
    A policy with parameters is a frozen dataclass of them; it raises ``ValueError`` for a wrong value.
    """

    def __init__(self, kind: str, protocol: type[P], noun: str = "policy") -> None:
        self.kind = kind
        self._noun = noun
        self._protocol = protocol
        self._targets: dict[str, str] = {}

    def add(self, name: str, target: str) -> None:
        """Register ``name`` for ``target`` (``"module:attribute"``).

        Raises:
            ConfigError: the name is taken.
        """
        if name in self._targets:
            raise ConfigError(f"{self.kind} {self._noun} {name!r} is registered twice", field=self.kind)
        self._targets[name] = target

    def names(self) -> list[str]:
        """Return the registered names in order of registration."""
        return list(self._targets)

    def load(self, name: str) -> P:
        """Return a new policy for a registered ``name`` or a user's ``"module:attribute"``.

        Raises:
            ConfigError: unknown name or parameter, failing import, or an object that is no policy of this
            kind.
        """
        known, _, given = name.partition("?")
        target = self._targets.get(known, known)
        factory = self._import(known, target)
        try:
            policy: Any = factory
            if isinstance(factory, type):
                policy = factory(**_parameters(factory, given))
            elif given:
                raise ValueError("it is no class and takes no parameters")
        except Exception as error:
            raise self._failure(f"{name!r}: {error}") from error
        if not isinstance(policy, self._protocol):
            raise self._failure(
                f"{target!r} is no {self.kind} {self._noun}: it needs what "
                f"{self._protocol.__module__}.{self._protocol.__name__} describes"
            )
        return policy

    def load_class(self, name: str) -> type[P]:
        """Return the class registered as ``name``, for a kind whose objects need more than parameters.

        Raises:
            ConfigError: unknown name, failing import, or something else than a class of this kind.
        """
        found = self._import(name, self._targets.get(name, name))
        if not (isinstance(found, type) and issubclass(found, self._protocol)):
            raise self._failure(
                f"{self._targets.get(name, name)!r} is no {self.kind} {self._noun}: it must derive from "
                f"{self._protocol.__module__}.{self._protocol.__name__}"
            )
        return found

    def _import(self, name: str, target: str) -> Any:
        module_name, colon, attribute = target.partition(":")
        if not colon or not module_name or not attribute:
            raise self._failure(
                f"unknown {self._noun} {name!r}; choose one of {', '.join(self._targets)} "
                "or give your own as module:attribute"
            )
        try:
            return getattr(importlib.import_module(module_name), attribute)
        except Exception as error:
            raise self._failure(
                f"{target!r} can't be loaded ({type(error).__name__}: {error}); "
                f"modules are looked up in {sys.path[0] or 'the current folder'} and PYTHONPATH"
            ) from error

    def _failure(self, message: str) -> ConfigError:
        return ConfigError(f"--{self.kind.replace('_', '-')}: {message}", field=self.kind)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _parameters(policy: type, text: str) -> dict[str, Any]:
    """Return the parameters in ``text`` as the types that the fields of ``policy`` have.

    Of ``X | None`` that is ``X``: ``None`` is what a parameter is that isn't given.

    Raises:
        ValueError: an unknown parameter, or a value of another type.
    """
    types = get_type_hints(policy) if is_dataclass(policy) else {}
    known = [field.name for field in fields(policy)] if is_dataclass(policy) else []
    values: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)):
        if name not in known:
            raise ValueError(f"unknown parameter {name!r}; it takes {', '.join(known) or 'none'}")
        made_of = next((kind for kind in get_args(types[name]) if kind is not NoneType), types[name])
        try:
            values[name] = _flag(value) if made_of is bool else made_of(value)
        except ValueError:
            wanted = "true or false" if made_of is bool else f"of type {made_of.__name__}"
            raise ValueError(f"{name} must be {wanted}, not {value!r}") from None
    return values
