"""Runs the cells of a sweep over the cores, and remembers those that are done."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from launch.lab.cells import Cell, run_cell
from sched.errors import ConfigError

Result = dict[str, Any]

STOPPED = "stopped; --results keeps what is done"
"""What to say when a sweep is interrupted."""


def sweep(cells: Sequence[Cell], *, jobs: int, results: Path | None) -> list[Result]:
    """Return the figures of ``cells``, in order.

    Those in the ``results`` file (one JSON object a line) are taken from it; each new one is appended as
    soon as it is there, so that an interrupted sweep goes on where it stopped.

    Raises:
        ConfigError: ``results`` can't be used.
    """
    found = _read(results)
    keys = [cell.key() for cell in cells]
    missing = [i for i, key in enumerate(keys) if key not in found]
    with ExitStack() as stack:
        progress = stack.enter_context(_progress(len(cells)))
        task = progress.add_task("", total=len(cells), completed=len(cells) - len(missing))
        out = stack.enter_context(_open(results)) if results else None
        for i, figures in _run([(i, cells[i]) for i in missing], jobs):
            found[keys[i]] = figures
            _append(out, keys[i], cells[i], figures)
            progress.advance(task)
    return [found[key] for key in keys]


def _run(cells: Sequence[tuple[int, Cell]], jobs: int) -> Iterator[tuple[int, Result]]:
    """Yield (index, figures) as cells are done."""
    if jobs == 1 or len(cells) == 1:
        for i, cell in cells:
            yield i, run_cell(cell)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
        futures = {pool.submit(run_cell, cell): i for i, cell in cells}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _read(path: Path | None) -> dict[str, Result]:
    found: dict[str, Result] = {}
    if path is None or not path.exists():
        return found
    try:
        data = path.read_bytes()
        whole, newline, rest = data.rpartition(b"\n")
        if rest:  # a sweep was stopped while it wrote this
            path.write_bytes(whole + newline)
        for line in whole.splitlines():
            entry = orjson.loads(line)
            found[entry["key"]] = entry["figures"]
    except OSError as error:
        raise ConfigError(f"--results {path} can't be used: {error.strerror}", field="results") from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        message = f"--results {path} holds something else than results of sweeps: choose another file"
        raise ConfigError(message, field="results") from error
    return found


def _open(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--results {path} can't be written: {error.strerror}", field="results") from error


def _append(out: TextIO | None, key: str, cell: Cell, figures: Result) -> None:
    if out is not None:
        entry = {"key": key, "cell": asdict(cell), "figures": figures}
        out.write(orjson.dumps(entry).decode() + "\n")
        out.flush()


def _progress(total: int) -> Progress:
    return Progress(
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=total == 1,
    )
