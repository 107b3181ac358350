"""A cell whose load is told by what the cluster sustains: the highest rate at which 95 % meet the SLO."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any

from launch.lab.cells import Cell
from sched.sim.figures import Recording, summarise

_EARLIER = "earlier "
_EARLIER_WORKFLOWS = 100
_EARLIER_LOAD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadCell(Cell):
    """A run at ``offered`` times the rate that is sustained when every workflow is served.

    ``workflows`` arrive at that rate, and as many times more as ``offered`` is above 1, so that all overloads
    last equally long.  Before them come 100 at half the sustained rate that aren't counted: a server that has
    served knows how long workflows take.
    """

    offered: float

    def run(self) -> dict[str, Any]:
        """Return the cell's figures; ``sustained``: the rate in workflows per second."""
        sustained = _sustained(self._place())
        bound = self._rate_bound()
        rate = self.offered * sustained
        summary = summarise(self._simulate(rate), self.slo_scale)
        figures = {"rate": rate, "load": rate / bound, "rate_bound": bound, "sustained": sustained}
        return figures | summary.as_dict()

    def _place(self) -> Cell:
        settings = {field.name: asdict(self)[field.name] for field in fields(Cell)}
        return Cell(**settings | {"admission": "always", "load": None, "rate": None})

    def _simulate(self, rate: float) -> Recording:
        calm = replace(self._place(), workflows=_EARLIER_WORKFLOWS, seed=self.seed + 1000)
        earlier = [
            w.model_copy(update={"id": f"{_EARLIER}{w.id}"})
            for w in calm._draw(rate / self.offered * _EARLIER_LOAD)
        ]
        begin = earlier[-1].arrival
        many = replace(self._place(), workflows=math.ceil(self.workflows * max(1.0, self.offered)))
        counted = [w.model_copy(update={"arrival": begin + w.arrival}) for w in many._draw(rate)]
        recording = self._simulator().run([*earlier, *counted])
        ended = [w for w in recording.workflows if not w.id.startswith(_EARLIER)]
        return Recording(ended, recording.runtimes)


@lru_cache(maxsize=64)
def _sustained(place: Cell) -> float:
    """Return the highest rate at which 95 % meet the SLO, by a search that takes many runs."""
    return place._highest_rate(place._rate_bound())
