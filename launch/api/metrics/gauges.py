"""What ``/metrics`` reads off the moment it is asked: the runtimes and what is on its way."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from engine.controller.core_driver import CoreDriver


class Gauges(Collector):
    """The present state of ``driver``; collect in its event loop."""

    def __init__(self, driver: CoreDriver) -> None:
        self._driver = driver

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        driver = self._driver
        yield from self._reported()
        yield from self._believed()
        yield self._off()
        for name, text, value in (
            ("waiting_calls", "Calls accepted and not sent to a runtime.", driver.dispatcher.waiting_calls),
            ("calls_in_flight", "Calls accepted and not ended.", len(driver.pending)),
            ("open_workflows", "Workflows that have not ended.", driver.records.open_count),
            (
                "link_refused_connections",
                "Connections to the workers' link that had no allowed key.",
                driver.watch.refused_connections,
            ),
        ):
            yield GaugeMetricFamily(f"sluice_{name}", text, value=value)
        yield from self._remembered()

    def _remembered(self) -> Iterator[GaugeMetricFamily]:
        kept, journal = self._driver.records.kept, self._driver.journal
        values = [
            ("kept_workflows", "Ended workflows in memory.", len(kept)),
            ("kept_bytes", "What they take, as JSON.", kept.size),
        ]
        if journal is not None:
            values += [
                ("journal_bytes", "Size of the journal's files.", journal.size),
                ("journal_failing", "Whether the journal can't be written.", journal.trouble is not None),
                ("journal_unwritten_workflows", "Ended workflows that wait for it.", journal.unwritten),
            ]
        for name, text, value in values:
            yield GaugeMetricFamily(f"sluice_{name}", text, value=value)

    def _off(self) -> GaugeMetricFamily:
        text = "Absolute error of the latest predictions, in seconds or tokens; the _share ones relative."
        labels = ["runtime", "what", "quantile"]
        family = GaugeMetricFamily("sluice_runtime_prediction_error", text, labels=labels)
        for name, runtime in self._driver.dispatcher.runtimes.items():
            for what, figures in runtime.outlook.describe().items():
                for quantile in ("median", "p90", "median_share", "p90_share"):
                    if (value := figures[quantile]) is not None:
                        family.add_metric([name, what, quantile], value)
        return family

    def _reported(self) -> Iterator[GaugeMetricFamily]:
        workers = self._driver.workers
        up = GaugeMetricFamily("sluice_runtime_up", "Whether the runtime serves.", labels=["runtime"])
        for name in workers.expected:
            up.add_metric([name], 1.0 if workers.get(name) else 0.0)
        yield up
        loads = {n: worker.load for n in workers.expected if (worker := workers.get(n)) and worker.load}
        for field, text in (
            ("running", "Requests that SGLang runs."),
            ("waiting", "Requests in SGLang's queue."),
            ("used_tokens", "Tokens in SGLang's KV cache in use."),
        ):
            family = GaugeMetricFamily(f"sluice_runtime_{field}", text, labels=["runtime"])
            for name, load in loads.items():
                family.add_metric([name], getattr(load, field))
            yield family

    def _believed(self) -> Iterator[GaugeMetricFamily]:
        for field, text in (
            ("held_calls", "Calls placed on the runtime and held back in the controller."),
            ("outstanding_calls", "Calls placed on the runtime and not ended, held ones included."),
            ("outstanding_seconds", "Their predicted service time."),
            ("sent_tokens", "Uncached prompt tokens sent and not yet answered by a first token."),
        ):
            family = GaugeMetricFamily(f"sluice_runtime_{field}", text, labels=["runtime"])
            for name, runtime in self._driver.dispatcher.runtimes.items():
                family.add_metric([name], getattr(runtime, field))
            yield family
