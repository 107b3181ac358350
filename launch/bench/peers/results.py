"""The results file of a comparison: a header, then a line per run; a stopped comparison goes on from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from launch.bench.peers.design import Design, Run, Work
from launch.bench.replay.outcome import WorkflowOutcome
from sched.errors import ConfigError
from sched.predict.calibration import Calibration


@dataclass(slots=True)
class PeerResults:
    """What was measured under ``design``: outcomes by run's key, and on what: ``machine``, calibrations by
    runtime, which set the rates, and what a call costs outside passes by kind of system, in seconds."""

    path: Path | None
    design: Design
    machine: Mapping[str, Any] = field(default_factory=dict)
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    outside: Mapping[str, float] = field(default_factory=dict)
    outcomes: dict[str, list[WorkflowOutcome]] = field(default_factory=dict)

    @classmethod
    def at(cls, path: Path | None, design: Design) -> PeerResults:
        """Return the results in a file; none yet if there is no file.

        Raises:
            ConfigError: the file can't be read, is something else, or was measured under another design.
        """
        results = cls(path, design)
        if path is None or not path.exists():
            return results
        try:
            whole, newline, rest = path.read_bytes().rpartition(b"\n")
            if rest:  # a comparison was stopped while it wrote this
                path.write_bytes(whole + newline)
            header, *lines = [orjson.loads(line) for line in whole.splitlines()] or [{}]
            if header and header["design"] != design.as_dict():
                message = f"--results {path} was measured with other settings: give the same, or another file"
                raise ConfigError(message, field="results")
            if header:
                results.machine, results.outside = header["machine"], header["outside_seconds"]
                found = header["calibrations"].items()
                results.calibrations = {name: Calibration.from_dict(told) for name, told in found}
            for line in lines:
                results.outcomes[line["key"]] = [WorkflowOutcome.from_dict(w) for w in line["workflows"]]
        except OSError as error:
            message = f"--results {path} can't be used: {error.strerror}"
            raise ConfigError(message, field="results") from error
        except (ValueError, KeyError, TypeError) as error:
            message = f"--results {path} holds no results of a comparison: choose another file"
            raise ConfigError(message, field="results") from error
        return results

    def begin(
        self,
        machine: Mapping[str, Any],
        calibrations: Mapping[str, Calibration],
        outside: Mapping[str, float],
    ) -> None:
        """Write the header of results that have none: rates and deadlines stay those of the first start."""
        self.machine, self.calibrations, self.outside = machine, calibrations, outside
        told = {"design": self.design.as_dict(), "machine": machine, "outside_seconds": outside}
        self._append(told | {"calibrations": {name: c.as_dict() for name, c in calibrations.items()}})

    def work(self) -> Work:
        """Return the workflows, as the calibrations say."""
        return Work(self.design, self.calibrations, self.outside)

    def add(self, run: Run, workflows: Sequence[WorkflowOutcome]) -> None:
        """Keep the outcomes of a run."""
        self.outcomes[run.key] = list(workflows)
        self._append({"key": run.key, "workflows": [workflow.as_dict() for workflow in workflows]})

    def _append(self, entry: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        try:
            with self.path.open("ab") as file:
                file.write(orjson.dumps(entry) + b"\n")
        except OSError as error:
            message = f"--results {self.path} can't be written: {error.strerror}"
            raise ConfigError(message, field="results") from error
