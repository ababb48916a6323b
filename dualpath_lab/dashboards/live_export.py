"""What the live page gives away: the recorded curves of both sides, and their plots."""

from __future__ import annotations

import pandas as pd

from dualpath_lab.core.observer import LATENCIES
from dualpath_lab.dashboards.curves import Curves
from dualpath_lab.dashboards.plots import PLOTS
from dualpath_lab.dashboards.prints import DASHED, DOTTED, SOLID, Key, Plotted
from dualpath_lab.dashboards.race import CURVES, LINKS, Race
from dualpath_lab.dashboards.state import LabState
from dualpath_lab.scenario import ScenarioError

COLUMNS = {
    "scheduler_queue": "scheduler_queue_turns",
    "prefill_read_tokens": "prefill_read_tokens",
    "decode_read_tokens": "decode_read_tokens",
    "prefill_queue": "prefill_queue_turns",
    **{name: f"{name}_utilization" for name in LINKS},
    **{name: f"{name}_s" for name in LATENCIES},
}
"""What each of ``CURVES`` is called in a file, with its unit; utilisation is from 0 to 1."""
_NOTHING = "nothing has been recorded yet; the settings were refused."


def race_table(race: Race | None) -> pd.DataFrame:
    """All that has been recorded of A and B, a row for each bin: as the plots show it, but never coarser.

    Raises
    ------
    ScenarioError
        If there is no race.
    """
    if race is None:
        raise ScenarioError(_NOTHING)
    rows = race.rows(0)
    return pd.DataFrame(
        {"t_s": rows["t"]} | {f"{side}_{COLUMNS[name]}": rows[f"{side}_{name}"] for side in ("a", "b") for name in CURVES},
    )


def race_plots(race: Race | None, curves: Curves) -> list[Plotted]:
    """All plots of the page.

    Raises
    ------
    ScenarioError
        If there is no race.
    """
    if race is None:
        raise ScenarioError(_NOTHING)
    systems = [side.simulation.scenario.system for side in (race.a, race.b)]
    sides = (Key(f"A {systems[0]}"), Key(f"B {systems[1]}", dash=DASHED))
    return [
        Plotted(
            plot.title,
            drawn,
            (
                *(Key(line.label, line.colour, SOLID) for line in plot.lines),
                *((Key(plot.limit[0], dash=DOTTED),) if plot.limit else ()),
                *sides,
            ),
        )
        for plot, drawn in zip(PLOTS, curves.figures, strict=True)
    ]


def race_words(state: LabState) -> list[str]:
    """What tells one race from another."""
    cluster = f"{state.prefill_nodes}P{state.decode_nodes}D"
    return [state.model, state.source, cluster, f"{state.agents} agents", f"{state.system_a} vs {state.system_b}"]
