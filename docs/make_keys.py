"""Writes ``keys.md`` from the schemas: ``python docs/make_keys.py``."""

from __future__ import annotations

from pathlib import Path

from dualpath_lab.lane_scenario import LaneScenario
from dualpath_lab.scenario import Scenario
from dualpath_lab.schema_keys import Key, as_yaml

PAGE = Path(__file__).with_name("keys.md")


def page() -> str:
    """The whole list."""
    return f"""# Scenario keys

Made from the schema by `python docs/make_keys.py`; a test keeps it so. The same list: `dualpath-lab keys [PATTERN]`, and in Python
`Scenario.keys()`, of which `pandas.DataFrame(key.to_dict() for key in Scenario.keys())` makes a table. A key stands in a YAML file, after
`--set`, in `Scenario.with_values` and in a sweep. `cluster.preset` is a short way to write several keys of `cluster`.

{table(Scenario.keys())}

## One port

Keys of `dualpath-lab vl`, and of `LaneScenario.keys()`.

{table(LaneScenario.keys())}
"""


def table(keys: list[Key]) -> str:
    """A row a key."""
    rows = [(f"`{key}`", key.meaning, key.unit, f"`{as_yaml(key.default)}`", key.allowed) for key in keys]
    cells = [("key", "meaning", "unit", "default", "allowed"), ("---",) * 5, *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
