"""The worker's word to its scheduler, on a clock of the test's."""

from __future__ import annotations

from pathlib import Path

from engine.worker.lease import LEASE_SECONDS, Lease, LeaseReader
from sched.clock import ManualClock


def test_a_word_holds_for_a_while(tmp_path: Path) -> None:
    """Two seconds, and as long again with each further one; a worker that is stopped gives none."""
    clock = ManualClock(100.0)
    lease, reader = Lease(tmp_path, clock), LeaseReader(tmp_path, clock)
    lease.renew()
    clock.advance(3600.0)
    assert reader.holds(), "nobody has given a word yet"
    lease.begin()
    clock.advance(LEASE_SECONDS - 0.01)
    assert reader.holds()
    clock.advance(0.01)
    assert not reader.holds()
    lease.begin()
    assert not reader.holds(), "only the first word begins it"
    lease.renew()
    assert reader.holds()


def test_it_can_be_ended_at_once(tmp_path: Path) -> None:
    """As when the connection broke; the next word gives it back."""
    clock = ManualClock(100.0)
    lease, reader = Lease(tmp_path, clock), LeaseReader(tmp_path, clock)
    lease.end()
    assert reader.holds()
    lease.begin()
    lease.end()
    assert not reader.holds()
    lease.renew()
    assert reader.holds()
