"""What the anatomy page gives away: every turn of the run, and the plots of the one that is shown."""

from __future__ import annotations

import pandas as pd

from dualpath_lab.calibration import COMPUTE_QUOTA_S
from dualpath_lab.core.recorder import TurnLog
from dualpath_lab.core.systems import mechanisms
from dualpath_lab.dashboards.anatomy_cards import PATHS
from dualpath_lab.dashboards.anatomy_state import AnatomyState
from dualpath_lab.dashboards.anatomy_views import AnatomyViews
from dualpath_lab.dashboards.prints import DASHED, DOTTED, Key, Plotted
from dualpath_lab.picture.style import DECODE, KV, PREFILL
from dualpath_lab.studies.anatomy import Turns, group_name

WAITS = 0.4
"""How pale a stage is drawn in which a turn waits."""
_TOKENS = ("hit", "computed", "generate", "prefill_read", *TurnLog.SEEN)
_TIMES = (*TurnLog.TIMES, "ttft", "ttst", "tpot")


def turn_table(turns: Turns) -> pd.DataFrame:
    """A row a turn, by its number on the page: its agent, engines and tokens, the time at which each stage ended, and its latencies."""
    names = {name: f"{name}_tokens" for name in _TOKENS} | {name: f"{name}_s" for name in _TIMES}
    pe, de = zip(*((pe.name, de.name) for pe, de in map(turns.engines, range(len(turns)))), strict=True)
    table = pd.DataFrame(turns.columns).drop(columns="row").rename(columns=names).assign(pe=pe, de=de)
    table.insert(0, "turn", range(len(turns)))
    table.insert(2, "path", [turns.path(turn) for turn in range(len(turns))])
    return table


def turn_plots(turns: Turns, turn: int, views: AnatomyViews) -> list[Plotted]:
    """All turns, and the stages, links and forwards of one."""
    everyone, stages, links, forwards = views.figures
    paths = dict.fromkeys(views.points.data["path"])
    quota = mechanisms(turns.simulation.scenario).compute_quota
    return [
        Plotted(f"All {len(turns):,} turns", everyone, tuple(Key(*each, marker="circle") for each in PATHS.values() if each[0] in paths)),
        Plotted(
            f"Turn {turn:,}: its stages",
            stages,
            (
                Key("prefill", PREFILL),
                Key("decode", DECODE),
                Key("KV moves", KV),
                Key("waits", PREFILL, alpha=WAITS),
                Key("first token"),
                *([Key("second token", dash=DOTTED)] if views.has_second_token else []),
            ),
        ),
        Plotted(f"Turn {turn:,}: its bytes on every link", links, (Key("KV, step by step", KV),)),
        Plotted(
            f"Forwards of {group_name(turns.engines(turn)[0].group)}",
            forwards,
            (
                Key("this turn's", PREFILL),
                Key("others", PREFILL, alpha=WAITS),
                *([Key(f"compute quota {1e3 * COMPUTE_QUOTA_S:.0f} ms", dash=DASHED)] if quota else []),
            ),
        ),
    ]


def turn_words(state: AnatomyState) -> list[str]:
    """What tells one run from another."""
    cluster = f"{state.prefill_nodes}P{state.decode_nodes}D"
    return [state.model, state.source, cluster, f"{state.agents} agents", state.system]
