"""Which scenarios a sweep holds: from a grid or a list in YAML to validated scenarios, each with its key."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dualpath_lab
from dualpath_lab.core.own_policy import source_of
from dualpath_lab.errors import ScenarioError, shown
from dualpath_lab.models import load_model
from dualpath_lab.scenario import SYSTEMS, Scenario
from dualpath_lab.settings import read_yaml
from dualpath_lab.workload import load
from dualpath_lab.workload.paper import DATASETS

MOST_SCENARIOS = 100_000
"""More than this many scenarios are refused."""

_DEEPEST = 8
_PARTS = ("base", "grid", "list")
_Changes = dict[str, Any]
_Axis = tuple[str, ...]
AXIS_SIGN = ","
"""Between keys of a grid that move together."""


@dataclass(frozen=True)
class Plan:
    """The scenarios of a sweep, all of them allowed and no two the same.

    Attributes
    ----------
    swept : tuple of str
        Dotted keys that the grid or the list names, in its order.
    scenarios : dict of str to Scenario
        By key, in the sweep's order; of a grid the last key changes fastest.
    shape : tuple of int or None
        How many values each axis of a grid has; None for a list.
    axes : tuple of tuple of str
        The keys of each axis: one, or several that move together; of a list none.
    """

    swept: tuple[str, ...]
    scenarios: dict[str, Scenario]
    shape: tuple[int, ...] | None
    axes: tuple[tuple[str, ...], ...] = ()


def make_plan(source: str | Path | Mapping[str, Any]) -> Plan:
    """Read and validate a sweep.

    Parameters
    ----------
    source : path or mapping
        A YAML file or what it would hold: ``base``, scenario keys that all have in common, and either ``grid``, the values of each key
        of which all combinations run, or ``list``, one mapping of keys a scenario. Keys may be dotted or nested. Keys of a grid that
        move together stand in one entry, with commas between them, and so do their values:
        ``"cluster.prefill_nodes, cluster.decode_nodes": [[1, 2], [2, 4]]``.

    Raises
    ------
    ScenarioError
        If anything in it is not allowed, a scenario stands twice, or there are none or too many; says where.
    """
    values = source if isinstance(source, Mapping) else read_yaml(Path(source), "Sweep file")
    for part in values:
        if part not in _PARTS:
            near = difflib.get_close_matches(str(part), [*_PARTS, *Scenario.keys()], n=1)
            hint = f"did you mean {near[0]!r}?" if near and near[0] in _PARTS else "scenario keys stand below base, grid or list."
            raise ScenarioError(f"Unknown part {shown(part)} of a sweep; {hint}")
    if ("grid" in values) == ("list" in values):
        raise ScenarioError(f"A sweep holds either grid or list, and this one holds {'both' if 'grid' in values else 'neither'}.")
    base = _changed(Scenario(), _flat(values.get("base") or {}, "base"), "base")
    if "grid" in values:
        axes = _axes(values["grid"], base)
        swept = _single(itertools.chain(*axes))
        scenarios = _keyed(_grid(axes, base))
        return Plan(swept, scenarios, tuple(len(choices) for choices in axes.values()), tuple(axes))
    points = _points(values["list"])
    listed = [(f"list[{number}]", _changed(base, point, f"list[{number}]")) for number, point in enumerate(points)]
    swept = _single(dict.fromkeys(itertools.chain(*points)))
    return Plan(swept, _keyed(iter(listed)), None)


def key_of(scenario: Scenario) -> str:
    """What a scenario's result is known by: a hash of all its values and of the lab's version; files it names count by their path.

    A policy of the user's own counts with the source of its module.

    Raises
    ------
    ScenarioError
        If that can't be imported, or has no file.
    """
    policy = "" if scenario.system in SYSTEMS else source_of(scenario.system)
    return hashlib.sha256(f"{dualpath_lab.__version__} {as_json(scenario)}{policy}".encode()).hexdigest()


def as_json(scenario: Scenario) -> str:
    """A scenario in one line, the same for equal scenarios."""
    return json.dumps(scenario.model_dump(), sort_keys=True, allow_nan=False)


def _axes(grid: Any, base: Scenario) -> dict[_Axis, list[_Changes]]:
    """The points of each axis; every one is tried by itself, so that an error names it."""
    entries = _flat(grid, "grid")
    if not entries:
        raise ScenarioError("grid is empty: name at least one scenario key and its values.")
    axes = dict(_axis(name, choices) for name, choices in entries.items())
    keys = list(itertools.chain(*axes))
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ScenarioError(f"grid: the key {twice!r} stands twice.")
    _bound(math.prod(len(choices) for choices in axes.values()))
    for axis, choices in axes.items():
        for number, point in enumerate(choices):
            _changed(base, point, f"grid value {number + 1} of {AXIS_SIGN.join(axis)}")
    return axes


def _axis(name: str, choices: Any) -> tuple[_Axis, list[_Changes]]:
    """An entry of a grid: its key, or keys that move together, and their values at each point."""
    axis = tuple(key.strip() for key in name.split(AXIS_SIGN))
    if not isinstance(choices, list) or not choices:
        raise ScenarioError(f"grid: {name} = {shown(choices)} is not allowed: it should be a list of at least one value.")
    if len(axis) == 1:
        return axis, [{axis[0]: value} for value in choices]
    for number, values in enumerate(choices):
        if not isinstance(values, list | tuple) or len(values) != len(axis):
            raise ScenarioError(
                f"grid value {number + 1} of {name} = {shown(values)} is not allowed: it should be a list of {len(axis)} values, one a key."
            )
    return axis, [dict(zip(axis, values, strict=True)) for values in choices]


def _grid(axes: Mapping[_Axis, list[_Changes]], base: Scenario) -> Iterator[tuple[str, Scenario]]:
    for points in itertools.product(*axes.values()):
        changes = dict(itertools.chain(*(point.items() for point in points)))
        place = "grid at " + ", ".join(f"{key} = {shown(value)}" for key, value in changes.items())
        yield place, _changed(base, changes, place)


def _single(swept: Iterable[str]) -> tuple[str, ...]:
    """The keys, once each is seen to be one of a scenario's own, and no short way to write several."""
    keys, own = tuple(swept), Scenario.keys()
    short = next((key for key in keys if key not in own), None)
    if short is not None:
        raise ScenarioError(f"{short} is not allowed in a grid or list: it stands for several keys; name those, or set it in base.")
    return keys


def _points(entries: Any) -> list[_Changes]:
    if not isinstance(entries, list) or not entries:
        raise ScenarioError(f"list = {shown(entries)} is not allowed: it should be a list of at least one mapping of scenario keys.")
    _bound(len(entries))
    return [_flat(entry, f"list[{number}]") for number, entry in enumerate(entries)]


def _bound(scenarios: int) -> None:
    if scenarios > MOST_SCENARIOS:
        raise ScenarioError(f"A sweep of {scenarios:,} scenarios is not allowed: it should hold at most {MOST_SCENARIOS:,}.")


def _flat(values: Any, place: str, above: str = "") -> _Changes:
    """Nested mappings as dotted keys."""
    if above.count(".") > _DEEPEST:
        raise ScenarioError(f"{place}: {above.rstrip('.')} is nested too deeply to be a scenario key.")
    if not isinstance(values, Mapping):
        raise ScenarioError(f"{place} = {shown(values)} is not allowed: it should be a mapping of scenario keys.")
    flat: _Changes = {}
    for name, value in values.items():
        key = f"{above}{AXIS_SIGN.join(map(str, name)) if isinstance(name, tuple) else name}"
        inner = _flat(value, place, f"{key}.") if isinstance(value, Mapping) else {key: value}
        twice = next((key for key in inner if key in flat), None)
        if twice is not None:
            raise ScenarioError(f"{place}: the key {twice!r} stands twice.")
        flat |= inner
    return flat


def _changed(scenario: Scenario, changes: _Changes, place: str) -> Scenario:
    """The scenario with changes of single keys; errors begin with the place."""
    try:
        changed = scenario.with_values(changes)
    except ScenarioError as error:
        raise ScenarioError(f"{place}: {error}") from None
    whole = next((key for key in changes if key in _WHOLE_PARTS), None)
    if whole is not None:
        raise ScenarioError(f"{place}: {whole!r} is a part of the scenario; name its keys, such as {_WHOLE_PARTS[whole]!r}.")
    return changed


_WHOLE_PARTS = {key.partition(".")[0]: key for key in reversed(Scenario.keys()) if "." in key}


def _keyed(places: Iterator[tuple[str, Scenario]]) -> dict[str, Scenario]:
    """Scenarios by their keys; tries each model, source and policy once, as far as that is quick."""
    scenarios: dict[str, Scenario] = {}
    first_place: dict[str, str] = {}
    tried: set[tuple[str, str | None, str, str]] = set()
    for place, scenario in places:
        named = scenario.model, scenario.kv_dtype, scenario.workload.source, scenario.system
        if named not in tried:
            tried.add(named)
            _try(scenario, place)
        key = key_of(scenario)
        if key in scenarios:
            raise ScenarioError(f"{place} is the same scenario as {first_place[key]}; each may stand once.")
        scenarios[key], first_place[key] = scenario, place
    return scenarios


def _try(scenario: Scenario, place: str) -> None:
    try:
        load_model(scenario.model, scenario.kv_dtype)
        if scenario.system not in SYSTEMS:
            source_of(scenario.system)
        if scenario.workload.source not in DATASETS:
            load(scenario.workload.source)
    except ScenarioError as error:
        raise ScenarioError(f"{place}: {error}") from None
