"""``python -m launch.tune``, ``python -m launch.shift`` and the kept profile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launch.controller.profile_file import ProfileFile
from launch.lab import shift_cli, tune_cli
from launch.lab.search import search
from sched.predict.stage_profile import PUBLISHED, StageProfile
from sched.tune.tuner import PolicySetting, SettingOutcome

ROOT = Path(__file__).parents[3]
TRACE = "traces/hexgen_flow_formula1.jsonl"


@pytest.fixture(autouse=True)
def in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where the commands are run."""
    monkeypatch.chdir(ROOT)


def test_the_grid_is_tried_and_the_curve_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Eleven values of α besides the default, figures as JSON, a plot, and a check on other samples."""
    out, plot = tmp_path / "tune.json", tmp_path / "tune.png"
    arguments = [
        TRACE,
        "--workflows",
        "12",
        "--seeds",
        "1",
        "--seconds",
        "3600",
        "--json",
        str(out),
        "--plot",
        str(plot),
    ]
    assert tune_cli.main(arguments) == 0
    found = json.loads(out.read_bytes())
    assert len(found["outcomes"]) == 11
    assert found["best"]["tail"] == min(o["tail"] for o in found["outcomes"])
    assert found["other_samples"]["default"]["setting"] == "hexgen_flow?alpha=0.5"
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "best: --placement 'hexgen_flow?alpha=" in capsys.readouterr().out


def test_several_knobs_are_searched_from_the_default() -> None:
    """Optuna begins with the default, stays within the ranges, and comes closer to the best."""
    knobs = {"x": (0.0, 4.0), "y": (1.0, 2.0)}

    def evaluate(s: PolicySetting) -> SettingOutcome:
        return SettingOutcome(s, 1 + (s.values["x"] - 1) ** 2 + (s.values["y"] - 1.5) ** 2, 0.0)

    outcomes = search(PolicySetting("p", {"x": 3.0, "y": 1.0}), knobs, evaluate, trials=40, seconds=3600.0)
    assert len(outcomes) == 40
    assert outcomes[0].setting.values == {"x": 3.0, "y": 1.0}
    assert all(0 <= o.setting.values["x"] <= 4 and 1 <= o.setting.values["y"] <= 2 for o in outcomes)
    assert min(o.tail for o in outcomes) < 1.3


@pytest.mark.parametrize("command", [tune_cli, shift_cli])
def test_a_policy_without_knobs_is_refused(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    """With the field's flag."""
    main = command.main  # type: ignore[attr-defined]
    assert main([TRACE, "--placement", "round_robin"]) == 2
    assert "names no knobs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value"), [("--workflows", "0"), ("--load", "-1"), ("--seeds", "x"), ("--phases", "0.1")]
)
def test_wrong_numbers_are_refused(flag: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By name, before anything runs."""
    command = shift_cli if flag == "--phases" else tune_cli
    with pytest.raises(SystemExit) as ended:
        command.main([TRACE, flag, value])
    assert ended.value.code == 2
    assert flag in capsys.readouterr().err


@pytest.mark.slow
def test_a_shifting_load_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every phase has its figure for the default and for live tuning."""
    out = tmp_path / "shift.json"
    phases = ["--phases", "0.1:40,0.6:8", "--seeds", "1", "--jobs", "1"]
    assert shift_cli.main([TRACE, "--placement", "sluice", *phases, "--json", str(out)]) == 0
    tails = json.loads(out.read_bytes())["tails"]
    assert len(tails) == 2
    assert all(len(run) == 2 and min(run) > 0 for runs in tails.values() for run in runs)
    assert "live tuning" in capsys.readouterr().out


def test_a_profile_is_kept_between_starts(tmp_path: Path) -> None:
    """Per model; without a model nothing is kept, and a spoiled file is learned anew."""
    profile = StageProfile()
    profile.observe_call("k", "shop", "s", 100, 10, branch=1)
    profile.observe_sql("k", "shop", "s", 0.25)
    ProfileFile("m", tmp_path).save(profile)
    again = ProfileFile("m", tmp_path).load()
    assert again.estimate("k", "shop", "s", branch=1) == profile.estimate("k", "shop", "s", branch=1)
    assert again.sql_seconds("k", "shop", "s") == 0.25
    assert ProfileFile("other", tmp_path).load().sql_seconds("k", "shop", "s") == 0.0
    ProfileFile(None, tmp_path).save(profile)
    [kept] = tmp_path.iterdir()
    kept.write_text("{}", encoding="utf-8")
    assert ProfileFile("m", tmp_path).load().estimate("k", None, "revise") == PUBLISHED["revise"]
