"""``python -m launch.controller.tuning_round``: one round of live tuning, in a process of low priority.

It reads a :class:`TuningTask` as JSON from standard input and writes a :class:`Found` to standard output.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from engine.worker.descendants import die_with_parent
from launch.shipped import ordering_registry, placement_registry
from sched.sim.batching import SimRuntimeConfig
from sched.sim.hardware import Gpu
from sched.sim.simulator import SimOptions
from sched.traces.trace_format import TraceWorkflow
from sched.tune.tuner import (
    PolicySetting,
    Sample,
    SettingOutcome,
    TuningReplay,
    TuningVerdict,
    improve,
    knobs_of,
)

_NICE = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningTask:
    """What to replay: ``samples`` of workflows on ``gpus``, for ``present`` and what may take its place; the
    first one finds a better setting, the others confirm it.

    ``others``: settings that may be gone back to.  ``policy_path``: where a user's policies are looked up.
    """

    present: PolicySetting
    others: list[PolicySetting]
    samples: list[Sample]
    gpus: list[Gpu]
    runtime_config: SimRuntimeConfig
    ordering: str
    window_tokens: int
    policy_path: str

    def to_json(self) -> bytes:
        """Return the task as JSON."""
        samples = [
            ([workflow.model_dump(mode="json") for workflow in sample.workflows], sample.warm_up)
            for sample in self.samples
        ]
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return orjson.dumps(plain | {"samples": samples})

    @classmethod
    def from_json(cls, data: bytes) -> TuningTask:
        """Return the task in ``data``.

        Raises:
            TypeError, ValueError, KeyError: it is malformed.
        """
        values = orjson.loads(data)
        values["present"] = PolicySetting(**values["present"])
        values["others"] = [PolicySetting(**other) for other in values["others"]]
        values["gpus"] = [Gpu(**gpu) for gpu in values["gpus"]]
        values["runtime_config"] = SimRuntimeConfig(**values["runtime_config"])
        values["samples"] = [
            Sample([TraceWorkflow.model_validate_json(orjson.dumps(w)) for w in workflows], warm_up)
            for workflows, warm_up in values["samples"]
        ]
        return cls(**values)

    def run(self) -> TuningVerdict:
        """Return what the round finds."""
        replay = TuningReplay(
            samples=self.samples,
            gpus=self.gpus,
            config=self.runtime_config,
            ordering=ordering_registry().load(self.ordering),
            options=SimOptions(window_tokens=self.window_tokens),
            load=placement_registry().load,
        )
        knobs = knobs_of(placement_registry().load(str(self.present)))
        search, confirm = replay.parts()
        return improve(self.present, knobs, search, self.others, confirm)


def verdict_of(data: bytes) -> TuningVerdict:
    """Return the verdict that the process wrote.

    Raises:
        TypeError, ValueError, KeyError: it is malformed.
    """
    values = orjson.loads(data)
    outcomes = {}
    for name in ("present", "best"):
        outcome = values[name]
        outcomes[name] = SettingOutcome(PolicySetting(**outcome["setting"]), outcome["tail"], outcome["p95"])
    return TuningVerdict(outcomes["present"], outcomes["best"], values["gain"], values["evaluated"])


def main() -> int:
    """Run the round and return the exit code."""
    die_with_parent()
    os.nice(_NICE)
    task = TuningTask.from_json(sys.stdin.buffer.read())
    sys.path.append(task.policy_path)
    sys.stdout.buffer.write(orjson.dumps(asdict(task.run())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
