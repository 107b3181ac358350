"""A stage profile as plain data, to be kept between starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sched.predict.bounded import BoundedTable
from sched.predict.stage_profile import MOST_STAGES, StageEstimate, StageProfile

FORMAT = "sluice-profile-1"


def as_plain(profile: StageProfile) -> dict[str, Any]:
    """Return what ``profile`` knows, for JSON."""
    return {
        "format": FORMAT,
        "stages": [[*key, e.prompt_tokens, e.output_tokens] for key, e in profile.stages.items()],
        "latest": [[*key, calls] for key, calls in profile.lengths.rows()],
        "sql_seconds": [[*key, seconds] for key, seconds in profile.sql.items()],
        "visits": {kind: dict(stages) for kind, stages in profile.visits.items()},
    }


def restored(data: Mapping[str, Any]) -> StageProfile:
    """Return the profile in ``data``.

    Raises:
        ValueError: it is something else.
    """
    try:
        if data["format"] != FORMAT:
            raise ValueError(f"unknown format {data['format']!r}")
        profile = StageProfile()
        for kind, database, stage, branch, prompt, output in data["stages"]:
            profile.stages[kind, database, stage, branch] = StageEstimate(float(prompt), float(output))
        latest = data.get("latest", ())  # older files have none
        profile.lengths.restore((tuple(key), ((int(p), int(o)) for p, o in calls)) for *key, calls in latest)
        for kind, database, stage, branch, seconds in data["sql_seconds"]:
            profile.sql[kind, database, stage, branch] = float(seconds)
        for kind, stages in data["visits"].items():
            visits = profile.visits[kind] = BoundedTable(MOST_STAGES)
            for stage, count in stages.items():
                visits[stage] = float(count)
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no profile: {error}") from error
    return profile


def described(profile: StageProfile) -> list[dict[str, Any]]:
    """Return one dictionary per workflow kind, database, stage and branch that something is known of."""
    return [
        {
            "kind": kind,
            "database": database,
            "stage": stage,
            "branch": branch,
            "prompt_tokens": round(estimate.prompt_tokens, 1),
            "output_tokens": round(estimate.output_tokens, 1),
            "sql_seconds": profile.sql.get((kind, database, stage, None)),
            "visits": _visits(profile, kind or "", stage),
        }
        for (kind, database, stage, branch), estimate in profile.stages.items()
    ]


def _visits(profile: StageProfile, kind: str, stage: str) -> float | None:
    known = profile.visits.get(kind)
    return None if known is None else known.get(stage)
