"""What the controls of the Explore page are set to: two axes with their ranges, a measure, and what stays fixed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import param

from dualpath_lab.dashboards.state import KEYS, UNITS, LabState
from dualpath_lab.scenario import ScenarioError

MOST_CELLS = 64
"""More would not be read, and keep others waiting."""


class Quantity(NamedTuple):
    """What an axis can stand for: a parameter of the live page, with its short name and its usual range.

    ``steady`` ones have equal steps, the others equal ratios.
    """

    name: str
    short: str
    low: float
    high: float
    steady: bool = True

    @property
    def whole(self) -> bool:
        """Whether it has whole numbers only."""
        return isinstance(LabState.param[self.name], param.Integer)

    @property
    def unit(self) -> str:
        """Its unit; empty for a share."""
        return UNITS.get(self.name, "")

    @property
    def title(self) -> str:
        """What an axis is called, with the unit."""
        label = str(LabState.param[self.name].label)
        return label if self.unit in label.lower() else f"{label} ({self.unit})"

    def text(self, value: float) -> str:
        """A value of it, such as ``P = 2 nodes``."""
        unit = self.unit.removesuffix("s") if value == 1 and self.whole else self.unit
        return f"{value:g} {unit}" if self.short == self.unit else f"{self.short} = {value:g} {unit}".rstrip()


QUANTITIES = {
    "prefill nodes": Quantity("prefill_nodes", "P", 1, 4),
    "decode nodes": Quantity("decode_nodes", "D", 1, 4),
    "hit rate": Quantity("hit_rate", "hit rate", 0.85, 1.0),
    "storage bandwidth": Quantity("storage_gbps", "storage", 100, 800, steady=False),
    "compute bandwidth": Quantity("compute_gbps", "compute", 100, 800, steady=False),
    "agents": Quantity("agents", "agents", 16, 128, steady=False),
}
"""By the name that links and lists have."""
MEASURES = ("speed-up of B over A", "JCT of B", "throughput of B", "TTFT p50 of B", "TTFT p99 of B")
_RANGE_KEYS = {"low": "from", "high": "to", "steps": "values"}
ENDS = ("x_low", "x_high", "y_low", "y_high")
"""Ends of the ranges."""
CHOSEN = ("x_cell", "y_cell")
"""Where the chosen cell is on the axes."""


class ExploreState(LabState):
    """Everything that a visitor of the page can set; a range's ``None`` is the usual one of its axis."""

    PAGE: ClassVar[str] = "explore"
    KEYS: ClassVar[Mapping[str, str]] = {
        **{axis: axis for axis in ("x", "y")},
        **{f"{axis}_{part}": f"{axis}.{key}" for axis in ("x", "y") for part, key in _RANGE_KEYS.items()},
        "measure": "measure",
        **{name: key for name, key in KEYS.items() if name != "speed"},
        "x_cell": "cell.x",
        "y_cell": "cell.y",
    }
    UNITS: ClassVar[Mapping[str, str]] = UNITS | {"x_steps": "values", "y_steps": "values"}

    x: Any = param.Selector(default="decode nodes", objects=list(QUANTITIES), label="X axis", doc="What changes from left to right.")
    y: Any = param.Selector(default="prefill nodes", objects=list(QUANTITIES), label="Y axis", doc="What changes from bottom to top.")
    x_low = param.Number(default=None, allow_None=True, label="X from", doc="First value of the axis, in its own unit.")
    x_high = param.Number(default=None, allow_None=True, label="X to", doc="Last value of the axis, in its own unit.")
    x_steps = param.Integer(default=4, bounds=(2, 12), step=1, label="X values", doc="How many values from first to last.")
    y_low = param.Number(default=None, allow_None=True, label="Y from", doc="First value of the axis, in its own unit.")
    y_high = param.Number(default=None, allow_None=True, label="Y to", doc="Last value of the axis, in its own unit.")
    y_steps = param.Integer(default=4, bounds=(2, 12), step=1, label="Y values", doc="How many values from first to last.")
    measure: Any = param.Selector(default=MEASURES[0], objects=list(MEASURES), label="Measure", doc="What the cells and curves show.")
    x_cell = param.Number(default=None, allow_None=True, label="X of the cell", doc="Value of the chosen cell on the x axis.")
    y_cell = param.Number(default=None, allow_None=True, label="Y of the cell", doc="Value of the chosen cell on the y axis.")
    source: Any = param.Selector(default="paper-32k")
    agents = param.Integer(default=48)

    def allowed(self, name: str) -> str:
        """What a parameter may be, in words; what an end or a cell may be depends on the axis."""
        if name in ENDS + CHOSEN:
            return f"a number, or null for {'the usual one' if name in ENDS else 'none'}"
        return super().allowed(name)

    def choose(self, axis: str, quantity: str) -> None:
        """Have an axis stand for something else, over its usual range; where the other axis does already, they change places."""
        if quantity == getattr(self, axis):
            return
        other = "y" if axis == "x" else "x"
        if quantity != getattr(self, other):
            self.param.update({axis: quantity, f"{axis}_low": None, f"{axis}_high": None})
            return
        names = ("", *(f"_{part}" for part in _RANGE_KEYS))
        self.param.update({here + name: getattr(self, there + name) for here, there in ("xy", "yx") for name in names})

    def quantity(self, axis: str) -> Quantity:
        """What an axis, "x" or "y", stands for."""
        return QUANTITIES[getattr(self, axis)]

    def range(self, axis: str) -> tuple[float, float]:
        """First and last value of an axis."""
        usual = self.quantity(axis)
        low, high = getattr(self, f"{axis}_low"), getattr(self, f"{axis}_high")
        return (usual.low if low is None else low), (usual.high if high is None else high)

    def values(self, axis: str) -> list[float]:
        """All values of an axis, whole where it has whole numbers only.

        Raises
        ------
        ScenarioError
            If the range is not one of the axis, or has no room for so many values.
        """
        quantity, steps = self.quantity(axis), getattr(self, f"{axis}_steps")
        low, high = self.range(axis)
        least, most = LabState.param[quantity.name].bounds
        for part, value in (("from", low), ("to", high)):
            if not least <= value <= most or (quantity.whole and value != int(value)):
                kind = "a whole number" if quantity.whole else "a number"
                allowed = f"{kind} from {least:g} to {most:g} {quantity.unit}".rstrip()
                raise ScenarioError(f"{axis}.{part} = {value:g} is not allowed for {getattr(self, axis)}: it should be {allowed}.")
        if low >= high:
            raise ScenarioError(f"{axis}.from = {low:g} is not allowed: it should be below {axis}.to = {high:g}.")
        spaced = np.linspace(low, high, steps) if quantity.steady else np.geomspace(low, high, steps)
        inner = [float(f"{value:.3g}") for value in spaced[1:-1]]
        values = [low, *inner, high]
        if quantity.whole:
            values = [round(value) for value in values]
        if len(set(values)) < steps:
            raise ScenarioError(f"{axis}.values = {steps} is not allowed: from {low:g} to {high:g} there are not so many different values.")
        return values

    def grid(self) -> tuple[list[float], list[float]]:
        """Values of both axes.

        Raises
        ------
        ScenarioError
            If an axis is not allowed, both are the same, or there would be too many cells.
        """
        if self.x == self.y:
            raise ScenarioError(f"y = {self.y!r} is not allowed: it should not be the same as x.")
        xs, ys = self.values("x"), self.values("y")
        if len(xs) * len(ys) > MOST_CELLS:
            raise ScenarioError(
                f"x.values = {len(xs)} and y.values = {len(ys)} are not allowed together: there should be at most {MOST_CELLS} cells."
            )
        return xs, ys

    def live(self, x: float, y: float) -> LabState:
        """The live page's settings with a value on each axis."""
        fixed = {name: getattr(self, name) for name in KEYS if name != "speed"}
        return LabState(**fixed | {self.quantity("x").name: x, self.quantity("y").name: y})
