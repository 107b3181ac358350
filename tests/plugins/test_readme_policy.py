"""The policy that ``plugins/README.md`` shows does what it says."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.lab import simulate_cli
from launch.shipped import placement_registry
from sched.traces.arrivals import draw
from sched.traces.trace_format import read_trace
from tests.sched.sim.sim_factories import simulate, trace_call, trace_workflow

ROOT = Path(__file__).parents[2]
README = (ROOT / "plugins" / "README.md").read_text().partition("## Write a workflow kind")[0]
PYTHON_BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
NAME = "stage_home:StageHome"


@pytest.fixture(autouse=True)
def saved_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Save the block under the name that the page gives it, where modules are looked up."""
    assert "Save this as `stage_home.py`" in README
    (tmp_path / "stage_home.py").write_text(PYTHON_BLOCKS[0])
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("stage_home", None)


def test_the_policy_is_short() -> None:
    """One block, which a reader takes in at a glance."""
    (block,) = PYTHON_BLOCKS
    assert 0 < len(block.splitlines()) <= 30


def test_every_stage_has_one_home() -> None:
    """While no home counts as crowded, a stage's calls share a runtime, and the stages are spread."""
    trace = read_trace(ROOT / "traces" / "generated_bursty.jsonl")
    workflows = draw(trace, 6, 0.5, "poisson", seed=0)
    recording = simulate(*workflows, gpus=["a100"] * 4, placement=NAME + "?ahead=1000")
    assert not any(workflow.failed for workflow in recording.workflows)
    homes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for call in (call for workflow in recording.workflows for call in workflow.calls):
        homes[call.stage][call.runtime] += 1
    assert all(len(used) == 1 for used in homes.values())
    assert all(used.total() > 1 for used in homes.values())
    assert len({runtime for used in homes.values() for runtime in used}) > 1


@pytest.mark.parametrize(("ahead", "split"), [("", [8, 3]), ("?ahead=0", [6, 5]), ("?ahead=20", [11])])
def test_a_crowded_home_is_left(ahead: str, split: list[int]) -> None:
    """Eleven calls at once: home gets as many more as ``ahead`` (4 by default) says, the rest leave it."""
    fan_out = [trace_call(n, stage="draft", join="drafts", branch=n) for n in range(11)]
    recording = simulate(trace_workflow(*fan_out), gpus=["a100", "a100"], placement=NAME + ahead)
    placed = Counter(call.runtime for call in recording.workflows[0].calls)
    assert [count for _, count in placed.most_common()] == split


def test_the_commands_take_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's simulation runs, shorter here, and its server's policy is known with its parameter."""
    simulation, server = (shlex.split(line) for line in re.findall(r"^python -m .*$", README, re.MULTILINE))
    monkeypatch.chdir(ROOT)
    out = tmp_path / "out.json"
    assert simulation[:3] == ["python", "-m", "launch.simulate"]
    assert simulate_cli.main([*simulation[3:], "--workflows", "4", "--jobs", "1", "--json", str(out)]) == 0
    mine, shipped = json.loads(out.read_bytes())
    assert mine["cell"]["placement"] == NAME
    assert mine["figures"]["failed"] == 0
    assert mine["figures"]["busy"] != shipped["figures"]["busy"]
    assert server[:4] == ["python", "-m", "launch.server", "--placement"]
    assert placement_registry().load(server[4]).ahead == 8  # type: ignore[attr-defined]
