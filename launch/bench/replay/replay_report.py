"""A replay in figures: a table and plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from launch.bench.replay.outcome import WorkflowOutcome, errors, recording, sending_lag
from sched.sim.figures import WARM_UP, Summary, summarise


def figures(
    workflows: Sequence[WorkflowOutcome], slo_scale: float, warm_up: float = WARM_UP
) -> dict[str, Any]:
    """Return the figures of a replay: those of ``sched.sim.figures.Summary``, ``errors`` by reason and by how
    much the client was late at most (``sending_lag_seconds``)."""
    return {
        **summarise(recording(workflows), slo_scale, warm_up).as_dict(),
        "errors": errors(workflows),
        "sending_lag_seconds": sending_lag(workflows),
    }


def summary_line(found: dict[str, Any]) -> str:
    """Return the most important figures in a line."""
    told = ", ".join(f"{count} × {reason}" for reason, count in found["errors"].items()) or "none"
    return (
        f"P50 {seconds(found['p50'])}, P95 {seconds(found['p95'])}, P99 {seconds(found['p99'])}; "
        f"{found['attainment']:.1%} within the SLO, 95 % within {number(found['scale'])} × the expected; "
        f"goodput {found['goodput']:.3f}/s; {found['hit_rate']:.1%} of prompt tokens cached; errors: {told}; "
        f"client late by {found['sending_lag_seconds'] * 1e3:.0f} ms at most"
    )


def stage_table(summary: Summary, title: str) -> Table:
    """Return what the calls of each stage waited and took, in seconds."""
    table = Table(title=title, title_justify="left")
    table.add_column("stage")
    for name in ("calls", "waited", "P95", "first token", "whole call", "cached"):
        table.add_column(name, justify="right")
    for stage, told in summary.stages.items():
        waits = (told.queue_seconds, told.queue_p95_seconds, told.first_token_seconds, told.seconds)
        table.add_row(stage, str(told.calls), *map(seconds, waits), f"{told.hit_rate:.0%}")
    return table


def seconds(value: float | None) -> str:
    """Return seconds for a table: ∞ for what never ended, – for what the server doesn't tell."""
    return "∞" if value is None else "–" if math.isnan(value) else f"{value:.2f} s"


def number(value: float | None) -> str:
    """Return a number for a table; ∞ where it has none."""
    return "∞" if value is None else f"{value:.2f}"
