"""The metrics of several runtimes as one text."""

from __future__ import annotations

from collections.abc import Iterable


def merge(texts: Iterable[str]) -> str:
    """Return ``texts``, each Prometheus' text of one runtime, as one, in which every metric stands once."""
    families: dict[str, list[str]] = {}
    for text in texts:
        for block in ("\n" + text).split("\n# HELP ")[1:]:
            name = block.split(" ", 1)[0]
            help_line, type_line, *samples = block.rstrip("\n").split("\n")
            families.setdefault(name, [f"# HELP {help_line}", type_line]).extend(samples)
    return "".join(line + "\n" for lines in families.values() for line in lines)
