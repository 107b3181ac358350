"""What counts as run twice, by the lines that runtimes write."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.sglang.variables import LEDGER
from engine.worker.run_ledger import asked_for
from launch.bench.chaos.run_twice import read_ledger, run_twice

CALL = "epoch0" + "0" * 15 + "7"
FIRST, SECOND = f"{CALL}01", f"{CALL}02"
GIVEN_UP = [(1.0, "came", FIRST), (2.0, "began", FIRST), (3.0, "came", SECOND), (4.0, "began", SECOND)]
"""A call whose runtime was lost while it ran."""


def twice(lines: list[tuple[float, str, str]], tmp_path: Path, since: float = 0.0) -> list[str]:
    path = tmp_path / "ledger"
    path.write_text("".join(f"{at} {what} {rid}\n" for at, what, rid in lines))
    return run_twice(read_ledger(path), since)


def test_a_call_that_runs_again_elsewhere_is_not_run_twice(tmp_path: Path) -> None:
    """What had begun before its runtime was lost is lost with it."""
    assert twice(GIVEN_UP, tmp_path) == []


@pytest.mark.parametrize("moment", [3.5, 5.0])
def test_an_attempt_that_begins_after_it_was_given_up_is(moment: float, tmp_path: Path) -> None:
    """Whether or not the later attempt has begun by then; in whatever order the lines were written."""
    late = [(0.5, "came", FIRST), (moment, "began", FIRST)]
    assert twice([(3.0, "came", SECOND), (4.0, "began", SECOND), *late], tmp_path) == [CALL]
    assert twice([*late, (3.0, "came", SECOND)], tmp_path, since=6.0) == [], "an earlier fault's"


def test_attempts_of_other_calls_and_controllers_are_others(tmp_path: Path) -> None:
    """A new controller counts its calls anew; a runtime's own requests have ids of another form."""
    other = FIRST.replace("epoch0", "epoch1")
    own = [(7.0, what, f"{'calibration-1':-<24}") for what in ("came", "began")]
    lines = [*GIVEN_UP, (5.0, "came", other), (6.0, "began", other), *own, (8.0, "began", "warm-up")]
    assert twice(lines, tmp_path) == []


def test_a_ledger_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    """Two runtimes share a file; without the variable there is none."""
    path = tmp_path / "ledger"
    assert asked_for({}) is None
    assert read_ledger(path) == []
    one, other = (asked_for({LEDGER: str(path)}) for _ in range(2))
    assert one is not None
    assert other is not None
    one.came(FIRST)
    other.came(SECOND)
    one.began(FIRST)
    lines = read_ledger(path)
    assert [(line.what, line.call, line.attempt) for line in lines] == [
        ("came", CALL, 1),
        ("came", CALL, 2),
        ("began", CALL, 1),
    ]
    assert run_twice(lines, since=0.0) == [CALL]
