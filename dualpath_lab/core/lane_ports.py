"""The paper's port and others to compare it with (reference section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from dualpath_lab.core.virtual_lanes import UNLIMITED, WEIGHT_BYTES, Backlog, Entry, Message, Port
from dualpath_lab.errors import ScenarioError
from dualpath_lab.lane_scenario import KvTraffic, LaneScenario, ModelTraffic
from dualpath_lab.units import gbps_to_bytes_per_s

MODEL, KV = 0, 1
"""Sources, as a record numbers them."""

PAPER_HIGH = (Entry(0, 192), Entry(1, 192), Entry(2, 0), Entry(3, 192))
PAPER_LOW = (Entry(0, 192), Entry(1, 192), Entry(2, 64), Entry(3, 192))
PAPER_HIGH_LIMIT = 240
"""Published: ``qos_vlarb_high``, ``qos_vlarb_low`` and ``qos_high_limit``."""

ROCE_MODEL_WEIGHT, ROCE_KV_WEIGHT = 99, 1
"""Assumed: scheduling weights, in packets, of the classes that the DSCP of model and of KV traffic stands for."""

XOFF_TO_XON = 0.25
"""Assumed: part of a paused class's buffer that must be empty again before it goes on."""


def make_port(scenario: LaneScenario) -> Port:
    """The port of a scenario, its preset's tables replaced where the scenario has its own.

    ``paper`` has four lanes and both tables; ``fifo`` one lane for everybody; ``strict`` the model's lanes high without limit and the KV
    lanes low; ``equal`` all lanes low with the same weight; ``roce`` four lossless classes with weights, each paused by its receiver.

    Raises
    ------
    ScenarioError
        If a lane that has traffic is in neither table, or with no weight.
    """
    settings = scenario.port
    high, low, high_limit = _tables(scenario)
    credits = inf if settings.credit_kbytes is None else settings.credit_kbytes * 1e3
    drain = {} if scenario.kv.drain_gbps is None else {KV: gbps_to_bytes_per_s(scenario.kv.drain_gbps)}
    port = Port(
        rate_bytes_per_s=gbps_to_bytes_per_s(settings.link_gbps),
        mtu_bytes=settings.mtu_bytes,
        high=high if settings.high is None else [Entry(*line) for line in settings.high],
        low=low if settings.low is None else [Entry(*line) for line in settings.low],
        high_limit=high_limit if settings.high_limit is None else settings.high_limit,
        credit_bytes=credits,
        credit_return_s=settings.credit_return_us * 1e-6,
        resume_bytes=XOFF_TO_XON * credits if settings.preset == "roce" and credits < inf else 0.0,
        drain_bytes_per_s=drain,
    )
    _check_served(scenario, port)
    return port


def make_traffic(scenario: LaneScenario, with_kv: bool = True) -> tuple[list[Message], list[Backlog]]:
    """What the sources of a scenario hand over; those of the model are the same with KV traffic and without."""
    messages: list[Message] = []
    backlogs: list[Backlog] = []
    model_rng, kv_rng = (np.random.default_rng(stream) for stream in np.random.SeedSequence(scenario.seed).spawn(2))
    parts: list[tuple[ModelTraffic | KvTraffic, int, np.random.Generator]] = [(scenario.model, MODEL, model_rng)]
    if with_kv:
        parts.append((scenario.kv, KV, kv_rng))
    rate = gbps_to_bytes_per_s(scenario.port.link_gbps)
    for part, source, rng in parts:
        lanes = _lanes(scenario, source)
        for place, lane in enumerate(lanes):
            if part.pattern == "backlog":
                backlogs.append(Backlog(lane, source, part.message_bytes, part.outstanding))
            else:
                times, sizes = _handed_over(part, place / len(lanes), rate / len(lanes), scenario.duration_ms * 1e-3, rng)
                messages += [Message(time_s, lane, source, size) for time_s, size in zip(times, sizes, strict=True)]
    return messages, backlogs


def _tables(scenario: LaneScenario) -> tuple[Sequence[Entry], Sequence[Entry], int]:
    model, kv = _lanes(scenario, MODEL), _lanes(scenario, KV)
    match scenario.port.preset:
        case "paper":
            return PAPER_HIGH, PAPER_LOW, PAPER_HIGH_LIMIT
        case "strict":
            return [Entry(lane, 192) for lane in model], [Entry(lane, 192) for lane in kv], UNLIMITED
        case "roce":
            packet = scenario.port.mtu_bytes // WEIGHT_BYTES
            classes = [Entry(lane, ROCE_MODEL_WEIGHT * packet) for lane in model]
            return [], [*classes, *(Entry(lane, ROCE_KV_WEIGHT * packet) for lane in kv)], 0
        case "equal" | "fifo":
            return [], [Entry(lane, 192) for lane in dict.fromkeys([*model, *kv])], 0


def _check_served(scenario: LaneScenario, port: Port) -> None:
    served = {entry.lane for entry in (*port.high, *port.low) if entry.weight}
    for name, part, source in (("model", scenario.model, MODEL), ("kv", scenario.kv, KV)):
        for lane in _lanes(scenario, source):
            if lane not in served and part.pattern != "idle":
                raise ScenarioError(
                    f"{name}.lanes = {_lanes(scenario, source)} is not allowed on this {scenario.port.preset} port: "
                    f"port.high and port.low give lane {lane} no weight, so its packets would wait for ever."
                )


def _lanes(scenario: LaneScenario, source: int) -> list[int]:
    if scenario.port.preset == "fifo":
        return [0]
    return scenario.model.lanes if source == MODEL else scenario.kv.lanes


def _handed_over(
    part: ModelTraffic | KvTraffic, phase: float, rate: float, duration_s: float, rng: np.random.Generator
) -> tuple[list[float], list[int]]:
    """Times and sizes of one lane's messages, ``part.load`` x ``rate`` on average."""
    if part.pattern == "idle":
        return [], []
    period_s = part.period_us * 1e-6
    if part.pattern == "bursts":
        times = np.arange(phase * period_s, duration_s, period_s)
        return times.tolist(), [max(round(part.load * rate * period_s), 1)] * len(times)
    message_s = part.message_bytes / rate
    if part.pattern == "steady":
        times = np.arange(phase * message_s, duration_s, message_s / part.load)
        return times.tolist(), [part.message_bytes] * len(times)
    on, off = rng.standard_exponential((2, 2 + round(4 * duration_s / period_s))) * [[part.load * period_s], [(1 - part.load) * period_s]]
    began_s, on_before_s = np.cumsum(on + off) - on, np.cumsum(on) - on
    on_clock_s = np.arange(0, on.sum(), message_s)
    spell = np.searchsorted(on_before_s, on_clock_s, side="right") - 1
    times = began_s[spell] + on_clock_s - on_before_s[spell]
    times = times[times < duration_s]
    return times.tolist(), [part.message_bytes] * len(times)
