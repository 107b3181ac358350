"""What SGLang's processes of one runtime counted, as Prometheus' text with a label that names the runtime.

SGLang's processes write their metrics to files in a folder (``prometheus_client``'s multiprocess mode), which
this reads; the functions may run in any thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PROCESS_LABEL = "pid"


def collect(runtime: str) -> str:
    """Return the metrics of SGLang's processes below this one; empty if SGLang keeps none.

    Takes some ten milliseconds.
    """
    # Imported before SGLang sets the folder, it would keep this process's metrics to itself.
    from prometheus_client import CollectorRegistry, Metric, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector
    from prometheus_client.registry import Collector

    folder = os.environ.get(_FOLDER_VARIABLE)
    if not folder:
        return ""

    class Labelled(Collector):
        def collect(self) -> Iterator[Metric]:
            for family in MultiProcessCollector(None, folder).collect():
                family.samples = [
                    sample._replace(labels=_labels(sample.labels, runtime)) for sample in family.samples
                ]
                yield family

    registry = CollectorRegistry()
    registry.register(Labelled())
    return generate_latest(registry).decode()


def _labels(labels: Mapping[str, str], runtime: str) -> dict[str, str]:
    """Process ids would make new series at each start; SGLang's ranks tell its processes apart."""
    return {name: value for name, value in labels.items() if name != _PROCESS_LABEL} | {"runtime": runtime}
