"""What a run of the virtual-lane microscope is described by: a port, the traffic of the model and that of the KV-cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from dualpath_lab.settings import Part, Settings

PortName = Literal["paper", "fifo", "strict", "equal", "roce"]
Pattern = Literal["bursts", "on_off", "steady", "backlog", "idle"]

Lane = Annotated[int, Field(ge=0, le=14)]
Table = list[tuple[Lane, Annotated[int, Field(ge=0, le=255)]]]


MOST_PACKETS = 20_000_000
"""Packets, or messages, of one run; more would not fit into memory."""


class PortSettings(Part):
    """One output port (reference section 6).

    ``preset`` sets the tables; ``high``, ``low`` and ``high_limit`` replace its own, in the units of the InfiniBand specification:
    (lane, weight in 64 bytes), and 4,096 bytes.
    """

    preset: PortName = Field(default="paper", description="The arbiter and its tables.")
    link_gbps: float = Field(default=400.0, ge=1e-3, le=1e6, description="Bandwidth of the link.")
    mtu_bytes: Literal[256, 512, 1024, 2048, 4096] = Field(default=4096, description="Largest packet.")
    high: Table | None = Field(default=None, description="High-priority table, (lane, weight in 64 bytes); null is the preset's.")
    low: Table | None = Field(default=None, description="Low-priority table, (lane, weight in 64 bytes); null is the preset's.")
    high_limit: int | None = Field(
        default=None,
        ge=0,
        le=255,
        description="How much the high table sends, in 4,096 bytes, before the low one; 255 is no limit; null is the preset's.",
    )
    credit_kbytes: float | None = Field(
        default=None,
        ge=4.096,
        le=1e9,
        description="Credits of each lane, the room that its receiver has for packets; null is without limit.",
    )
    credit_return_us: float = Field(
        default=1.0, ge=0, le=1e6, description="Time from a packet's end, sent and drained, to the return of its credits."
    )


class ModelTraffic(Part):
    """All-to-all of the model: ``load`` of the link in bursts, one in each period and lane."""

    pattern: Pattern = Field(default="bursts", description="When messages of the model come.")
    lanes: list[Lane] = Field(default=[0], min_length=1, max_length=15, description="Virtual lanes that they take.")
    load: float = Field(default=0.3, gt=0, le=1, description="Share of the link that they ask for.")
    period_us: float = Field(default=250.0, ge=1, le=1e6, description="Time from one burst to the next, or mean time of a spell.")
    message_bytes: int = Field(default=1_048_576, ge=1, le=10**9, description="Size of a message where the pattern is not bursts.")
    outstanding: int = Field(default=4, ge=1, le=100_000, description="Messages that wait at a time with pattern backlog.")


class KvTraffic(Part):
    """Transfers of KV-cache: by default as many layer blocks as a context of 32 K tokens has wait all the time."""

    pattern: Pattern = Field(default="backlog", description="When messages of KV-cache come.")
    lanes: list[Lane] = Field(default=[2], min_length=1, max_length=15, description="Virtual lanes that they take.")
    load: float = Field(default=0.3, gt=0, le=1, description="Share of the link that they ask for.")
    period_us: float = Field(default=1000.0, ge=1, le=1e6, description="Time from one burst to the next, or mean time of a spell.")
    message_bytes: int = Field(default=45_056, ge=1, le=10**9, description="Size of a message where the pattern is not bursts.")
    outstanding: int = Field(default=512, ge=1, le=100_000, description="Messages that wait at a time with pattern backlog.")
    drain_gbps: float | None = Field(
        default=None, gt=0, le=1e6, description="Speed at which the receiver drains KV-cache; null drains at once."
    )


class LaneScenario(Settings):
    """Everything that decides a run of one port; equal scenarios give equal results.

    Parameters
    ----------
    port, model, kv
        The parts; mappings are validated into them. A pattern is ``bursts`` (a message a period), ``on_off`` (messages at link speed
        during random spells), ``steady`` (evenly spaced messages), ``backlog`` (always something waiting) or ``idle``.
    duration_ms : float
        Simulated time.
    seed : int
        Seed of the random spells.
    """

    port: PortSettings = PortSettings()
    model: ModelTraffic = ModelTraffic()
    kv: KvTraffic = KvTraffic()
    duration_ms: float = Field(default=20.0, ge=0.01, le=10_000, description="Simulated time.")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Seed of the random spells.")

    if TYPE_CHECKING:  # a checker without pydantic's plugin would refuse a mapping for a part

        def __init__(self, /, **values: Any) -> None: ...

    @model_validator(mode="after")
    def _not_endless(self) -> LaneScenario:
        sent_bytes = self.port.link_gbps * 1e9 / 8 * self.duration_ms * 1e-3
        sizes: list[tuple[str, int]] = [("port.mtu_bytes", self.port.mtu_bytes)]
        sizes += [
            (f"{name}.message_bytes", part.message_bytes)
            for name, part in (("model", self.model), ("kv", self.kv))
            if part.pattern not in ("bursts", "idle")
        ]
        for name, size_bytes in sizes:
            if sent_bytes / size_bytes > MOST_PACKETS:
                raise ValueError(
                    f"duration_ms = {self.duration_ms:g} is not allowed: at {self.port.link_gbps:g} Gb/s and {name} = {size_bytes} "
                    f"it holds more than {MOST_PACKETS:,} of them."
                )
        return self

    @model_validator(mode="after")
    def _lanes_apart(self) -> LaneScenario:
        for source, lanes in (("model", self.model.lanes), ("kv", self.kv.lanes)):
            if len(set(lanes)) < len(lanes):
                raise ValueError(f"{source}.lanes = {lanes} is not allowed: each lane should stand there once.")
        shared = set(self.model.lanes) & set(self.kv.lanes)
        if shared and self.port.preset != "fifo":
            raise ValueError(
                f"model.lanes = {self.model.lanes} and kv.lanes = {self.kv.lanes} are not allowed together: only a fifo port shares a lane."
            )
        return self
