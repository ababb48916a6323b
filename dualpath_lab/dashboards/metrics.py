"""``/metrics``: what the server is doing, as Prometheus asks for it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from tornado.web import RequestHandler

from dualpath_lab.dashboards import jobs, sessions
from dualpath_lab.dashboards.player import playing
from dualpath_lab.dashboards.shell import PAGES

_PAGE_BYTES = 4096
_FAMILY = "dualpath_lab"


class Lab(Collector):
    """Sessions by page, heavy runs by what they do, and the memory of the processes that run them."""

    def collect(self) -> Iterator[Metric]:
        """What stands in the text, read when it is asked for."""
        here, runs = sessions.shared(), jobs.shared()
        by_page = GaugeMetricFamily(f"{_FAMILY}_sessions", "Pages that are open now", labels=["page"])
        for page, title in PAGES.items():
            by_page.add_metric([title.lower()], here.open[page])
        yield by_page
        yield GaugeMetricFamily(f"{_FAMILY}_sessions_most", "Pages that may be open at a time", here.most)
        yield CounterMetricFamily(f"{_FAMILY}_sessions_opened", "Pages opened since the server began", here.opened)
        yield CounterMetricFamily(f"{_FAMILY}_sessions_refused", "Pages refused because too many were open", here.refused)
        yield GaugeMetricFamily(f"{_FAMILY}_live_races", "Races of live pages that are under way", playing())
        yield GaugeMetricFamily(f"{_FAMILY}_runs_running", "Heavy runs under way", runs.running())
        yield GaugeMetricFamily(f"{_FAMILY}_runs_waiting", "Heavy runs in the queue", runs.waiting())
        yield CounterMetricFamily(f"{_FAMILY}_runs_started", "Heavy runs begun since the server began", runs.started)
        yield CounterMetricFamily(f"{_FAMILY}_runs_failed", "Heavy runs without a result, by an error or a process that died", runs.failed)
        workers = GaugeMetricFamily(f"{_FAMILY}_worker_resident_memory_bytes", "Memory of a process that makes heavy runs", labels=["pid"])
        for process in multiprocessing.active_children():
            if (resident_bytes := _resident_bytes(process.pid)) is not None:
                workers.add_metric([str(process.pid)], resident_bytes)
        yield workers


class Metrics(RequestHandler):
    """Answers with the text."""

    registry = CollectorRegistry()

    def get(self) -> None:
        """The same for everybody."""
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest(self.registry))


Metrics.registry.register(Lab())
ProcessCollector(registry=Metrics.registry)


def _resident_bytes(pid: int | None) -> int | None:
    """Of a process; None where there is no such process, or no way to know."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return None
