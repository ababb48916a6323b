"""What the controls of the virtual lanes' page are set to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, get_args

import param

from dualpath_lab.dashboards.linked import LinkedState
from dualpath_lab.lane_scenario import LaneScenario, PortName
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.units import gbps_to_bytes_per_s

MOST_PACKETS = 150_000
"""Packets that fit in a run of the page: half a second of work a side, so that no visitor waits for another for long."""
NARROWEST_US = 0.5
PRESETS = list(get_args(PortName))


class LaneState(LinkedState):
    """Everything that a visitor of the page can set; ``None`` is the port's own."""

    PAGE: ClassVar[str] = "lanes"
    KEYS: ClassVar[Mapping[str, str]] = {
        "preset": "port.preset",
        "versus": "versus",
        "mtu_bytes": "port.mtu_bytes",
        "high_limit": "port.high_limit",
        "load": "model.load",
        "period_us": "model.period_us",
        "outstanding": "kv.outstanding",
        "duration_ms": "duration_ms",
        "start_us": "start_us",
        "width_us": "width_us",
    }
    UNITS: ClassVar[Mapping[str, str]] = {
        "mtu_bytes": "bytes",
        "high_limit": "× 4,096 bytes",
        "load": "of the link",
        "period_us": "µs",
        "outstanding": "messages",
        "duration_ms": "ms",
        "start_us": "µs",
        "width_us": "µs",
    }

    preset: Any = param.Selector(
        default="paper", objects=PRESETS, label="Port A", doc="Drawn solid; paper has the published tables, fifo one lane for everybody."
    )
    versus: Any = param.Selector(
        default="fifo", objects=PRESETS, label="Port B, to compare with", doc="Drawn dashed; the same traffic, its own tables and limit."
    )
    mtu_bytes: Any = param.Selector(default=4096, objects=[256, 512, 1024, 2048, 4096], label="MTU", doc="Most that a packet carries.")
    high_limit = param.Integer(
        default=None,
        bounds=(0, 255),
        allow_None=True,
        label="High limit",
        doc="What A may send from its high table before the low one has a chance: 0 is one packet, 255 no limit. "
        "Only paper and strict have a high table.",
    )
    load = param.Number(default=0.3, bounds=(0, 1), step=0.05, label="Model load", doc="Part of the link that the model's bursts fill.")
    period_us = param.Number(
        default=250.0, bounds=(20, 1000), step=10, label="Burst period", doc="From one burst of the model to the next."
    )
    outstanding = param.Integer(
        default=512,
        bounds=(1, 2048),
        step=1,
        label="KV backlog",
        doc="Blocks of 45 kB that wait all the time; 512 are a context of 32 K tokens.",
    )
    duration_ms = param.Number(default=3.0, bounds=(0.5, 20), step=0.5, label="Duration", doc="Simulated time.")
    start_us = param.Number(default=0.0, bounds=(0, 20_000), step=1, label="Window from", doc="Left edge of the plots.")
    width_us = param.Number(default=1000.0, bounds=(NARROWEST_US, 20_000), label="Window width", doc="Time that the plots show.")

    def scenarios(self) -> dict[str, LaneScenario]:
        """A's and B's scenario, alike but for the port.

        Raises
        ------
        ScenarioError
            If a value is not allowed, or the link would carry more packets than ``MOST_PACKETS``.
        """
        scenario = LaneScenario(
            port={"preset": self.preset, "mtu_bytes": self.mtu_bytes, "high_limit": self.high_limit},
            model={"pattern": "bursts", "load": self.load, "period_us": self.period_us} if self.load else {"pattern": "idle"},
            kv={"outstanding": self.outstanding},
            duration_ms=self.duration_ms,
        )
        longest_ms = 1e3 * MOST_PACKETS * self.mtu_bytes / gbps_to_bytes_per_s(scenario.port.link_gbps)
        if self.duration_ms > longest_ms:
            raise ScenarioError(
                f"duration_ms = {self.duration_ms:g} is not allowed with port.mtu_bytes = {self.mtu_bytes}: "
                f"it should be at most {longest_ms:.3g} ({MOST_PACKETS:,} packets)."
            )
        return {"a": scenario, "b": scenario.with_values({"port.preset": self.versus, "port.high_limit": None})}


RUNNING = tuple(name for name in LaneState.KEYS if name not in ("start_us", "width_us"))
"""Parameters that the ports run again for."""
