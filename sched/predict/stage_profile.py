"""What is known of a stage before it runs: its tokens, and what comes after it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sched.predict.bounded import BoundedTable
from sched.predict.lengths import Key, OutputLengths
from sched.workflow import PlanStep

_WEIGHT = 0.1
_DEFAULT_PROMPT_TOKENS = 500.0
MOST_STAGES = 256
"""Stages of one kind of workflow whose visits are counted; plans are made of them."""


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """Expected tokens of one call of a stage."""

    prompt_tokens: float
    output_tokens: float


# Mean (input, output) tokens published with HexGen-Flow (CHESS on BIRD, see traces/README.md), under
# this project's stage names: where learning starts.
PUBLISHED: dict[str, StageEstimate] = {
    "information_retrieval": StageEstimate(308, 5),
    "extract_keywords": StageEstimate(667, 45),
    "schema_linking": StageEstimate(667, 45),
    "generate_candidate": StageEstimate(11748, 678),
    "revise": StageEstimate(5963, 79),
    "unit_tester": StageEstimate(275, 4),
    "generate_unit_test": StageEstimate(1109, 103),
    "evaluate": StageEstimate(961, 22),
}


class StageProfile:
    """Decayed means of tokens and SQL seconds per (workflow kind, database, stage, branch), and of visits per
    workflow kind.

    Branches of a fan-out may ask in unlike ways, and so get unlike answers.  What is unknown for a branch
    falls back to the database, then to the kind, then to the stage of any kind, then to the published
    figures.  All tables are bounded, since clients name stages and databases.
    """

    def __init__(self) -> None:
        self.stages = BoundedTable[Key, StageEstimate]()
        self.sql = BoundedTable[Key, float]()
        self.visits = BoundedTable[str, BoundedTable[str, float]]()
        self.lengths = OutputLengths()

    def estimate(
        self,
        kind: str,
        database: str | None,
        stage: str,
        max_new_tokens: int | None = None,
        branch: int | None = None,
    ) -> StageEstimate:
        """Return the expected tokens of a call; its output never exceeds ``max_new_tokens``."""
        found = next(
            (self.stages[key] for key in _keys(kind, database, stage, branch) if key in self.stages),
            PUBLISHED.get(stage, StageEstimate(_DEFAULT_PROMPT_TOKENS, (max_new_tokens or 128) / 2)),
        )
        if max_new_tokens is None or found.output_tokens <= max_new_tokens:
            return found
        return StageEstimate(found.prompt_tokens, float(max_new_tokens))

    def likely_output(
        self,
        kind: str,
        database: str | None,
        stage: str,
        prompt_tokens: int,
        max_new_tokens: int,
        branch: int | None = None,
        last_block: int | None = None,
    ) -> float:
        """Return how many tokens a call will most likely write.

        Outputs are skewed: a mean (:meth:`estimate`) is right for many calls together, a median for one.
        ``last_block``: of its prompt, as in ``sched/predict/lengths.py``.
        """
        likely = self.lengths.likely(_keys(kind, database, stage, branch), prompt_tokens, last_block)
        if likely is None:
            return self.estimate(kind, database, stage, max_new_tokens, branch).output_tokens
        return min(likely, float(max_new_tokens))

    def observe_call(
        self,
        kind: str,
        database: str | None,
        stage: str,
        prompt_tokens: int,
        output_tokens: int,
        branch: int | None = None,
        last_block: int | None = None,
    ) -> None:
        """Learn from a finished call; ``branch`` is its place in a fan-out, ``last_block`` its prompt's."""
        for key in _keys(kind, database, stage, branch):
            self.lengths.observe(key, prompt_tokens, output_tokens, last_block)
            old = self.stages.get(key)
            self.stages[key] = (
                StageEstimate(prompt_tokens, output_tokens)
                if old is None
                else StageEstimate(
                    old.prompt_tokens + _WEIGHT * (prompt_tokens - old.prompt_tokens),
                    old.output_tokens + _WEIGHT * (output_tokens - old.output_tokens),
                )
            )

    def observe_sql(self, kind: str, database: str | None, stage: str, seconds: float) -> None:
        """Learn how long a statement took that followed a stage."""
        for key in _keys(kind, database, stage, None):
            old = self.sql.get(key)
            self.sql[key] = seconds if old is None else old + _WEIGHT * (seconds - old)

    def sql_seconds(self, kind: str, database: str | None, stage: str) -> float:
        """Return the expected seconds of the SQL after a stage, 0 if there never was any."""
        keys = _keys(kind, database, stage, None)
        return next((self.sql[key] for key in keys if key in self.sql), 0.0)

    def observe_workflow(self, kind: str, visits: Counter[str]) -> None:
        """Learn how often a finished workflow went through each stage."""
        known = self.visits.get(kind)
        if known is None:
            known = self.visits[kind] = BoundedTable(MOST_STAGES)
            for stage, count in visits.items():
                known[stage] = float(count)
            return
        for stage in [*known, *(new for new in visits if new not in known)]:
            old = known.get(stage, 0.0)
            known[stage] = old + _WEIGHT * (visits[stage] - old)

    def plan(self, kind: str) -> tuple[PlanStep, ...]:
        """Return the learned plan of a workflow kind, empty if none has finished yet."""
        return tuple(PlanStep(stage, n) for stage, n in self.visits.get(kind, {}).items())


def _keys(kind: str, database: str | None, stage: str, branch: int | None) -> tuple[Key, ...]:
    known = (kind, database, stage, None), (kind, None, stage, None), (None, None, stage, None)
    return known if branch is None else ((kind, database, stage, branch), *known)
