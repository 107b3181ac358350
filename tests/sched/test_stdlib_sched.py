"""The package shadows the standard library's ``sched`` and stands in for it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import sched

_ROOT = Path(__file__).parents[2]


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in ``cwd`` and return what it did."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=240, check=False
    )


def test_the_standard_scheduler_works() -> None:
    """``sched.scheduler`` is the standard library's class and runs events in order of time."""
    now, seen = [0.0], list[str]()
    scheduler = sched.scheduler(lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    scheduler.enter(2.0, 1, seen.append, ("second",))
    scheduler.enter(1.0, 1, seen.append, ("first",))
    assert isinstance(scheduler.queue[0], sched.Event)
    scheduler.run()
    assert (seen, now) == (["first", "second"], [2.0])
    assert sched.scheduler is sched.scheduler, "it is loaded once"
    assert type(scheduler).run.__code__.co_filename.endswith("sched.py")
    assert Path(sched.__file__) == _ROOT / "sched" / "__init__.py", "this package stays what it is"


def test_other_names_are_unknown() -> None:
    """Nothing else is served, so that a wrong import fails as usual."""
    with pytest.raises(AttributeError, match="nothing"):
        _ = sched.nothing
    with pytest.raises(ImportError):
        exec("from sched import nothing", {})


def test_no_submodule_hides_the_standard_class() -> None:
    """A submodule ``scheduler`` would take the name of the standard class."""
    assert importlib.util.find_spec("sched.scheduler") is None
    assert importlib.util.find_spec("sched.Event") is None


def test_the_checkout_is_importable_as_it_is() -> None:
    """From the checkout all four packages import, and ``sched`` is this one."""
    done = python("-c", "import sched, engine, plugins, launch; print(sched.__file__)", cwd=_ROOT)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == _ROOT / "sched" / "__init__.py"


def test_the_standard_class_is_served_in_the_checkout() -> None:
    """Third-party code that says ``from sched import scheduler`` works in a fresh process."""
    done = python("-c", "from sched import scheduler, Event; print(scheduler.__module__)", cwd=_ROOT)
    assert (done.returncode, done.stdout.strip()) == (0, "sched"), done.stderr


def test_from_elsewhere_nothing_is_shadowed(tmp_path: Path) -> None:
    """In another directory ``sched`` is the standard library's, and the programs say where to go."""
    where = python("-c", "import sched; print(sched.__file__)", cwd=tmp_path)
    assert Path(where.stdout.strip()).name == "sched.py", where.stderr
    server = python("-m", "launch.server", "--help", cwd=tmp_path)
    assert server.returncode != 0
    assert "checkout" in server.stderr
