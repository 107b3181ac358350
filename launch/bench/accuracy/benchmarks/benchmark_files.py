"""Reads the files of benchmarks; what is wrong is told with the layout that is expected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from sched.errors import ConfigError

EVIDENCE_CHARACTERS = 10_000
"""A request's evidence is no longer than this."""


class BenchmarkFolder:
    """The folder given with ``flag``, with the ``layout`` that is expected of it, for messages."""

    def __init__(self, flag: str, path: Path, layout: str) -> None:
        self.path = path.expanduser()
        self._flag = flag
        self._layout = layout

    def file(self, *names: str) -> Path:
        """Return the first of the files ``names`` that is there.

        Raises:
            ConfigError: none is.
        """
        for name in names:
            if (self.path / name).is_file():
                return self.path / name
        raise self.error(f"{self.path} has no {' or '.join(names)}")

    def records(self, path: Path, required: Sequence[str]) -> list[Mapping[str, Any]]:
        """Return the objects in a JSON file with a list of them, or in one with an object in each line.

        Raises:
            ConfigError: it can't be read, has no object, or one lacks a key of ``required``.
        """
        text = self.text(path)
        try:
            found = json.loads(text) if text.lstrip().startswith("[") else _lines(text)
        except ValueError as error:
            raise self.error(f"{path} is neither JSON nor JSON Lines: {error}") from error
        if not found:
            raise self.error(f"{path} has no question")
        for number, entry in enumerate(found, 1):
            missing = [key for key in required if not isinstance(entry, dict) or key not in entry]
            if missing:
                raise self.error(f"{path}: entry {number} has no {', '.join(missing)}")
        return found

    def databases(self, questions: Iterable[BenchmarkQuestion], layout: str) -> dict[str, Path]:
        """Return by name the files of the databases of ``questions``; ``layout`` has ``NAME`` for the name.

        Raises:
            ConfigError: one isn't there.
        """
        names = sorted({question.database for question in questions})
        return {name: self.file(layout.replace("NAME", name)) for name in names}

    def text(self, path: Path) -> str:
        """Return the text of a file in UTF-8, or else in Latin-1.

        Raises:
            ConfigError: it can't be read.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise self.error(f"{path} can't be read: {error.strerror}") from error
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            return content.decode("latin-1")

    def error(self, what: str) -> ConfigError:
        """Return the error that says ``what`` is wrong, and what is expected."""
        name = self._flag.removeprefix("--")
        return ConfigError(f"{self._flag}: {what}; expected is {self._layout}", field=name)


def _lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]
