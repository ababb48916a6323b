"""The bar that plays: play, step, reset and speed, the clock, the way back into the history, and the list of keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dualpath_lab.dashboards.keyboard import keys_html
from dualpath_lab.dashboards.locking import in_turn
from dualpath_lab.dashboards.putting import put_value
from dualpath_lab.dashboards.state import SPEEDS, LabState
from dualpath_lab.dashboards.style import CSS


class Transport:
    """Buttons and sliders; what they do is the page's matter.

    Attributes
    ----------
    play, step, reset, live, share : Button
    speed : Select
    history : IntSlider
        Simulated time in s that is shown.
    clock : HTML
    root : panel layout
    """

    def __init__(self, state: LabState, notice: Any) -> None:
        self.play = _button("Pause", "pause", 104, variant="contained")
        self.step = _button("Step", "skip_next", 92)
        self.reset = _button("Reset", "replay", 96)
        self.live = _button("Live", "last_page", 88)
        self.share = _button("Copy link", "link", 118)
        self.speed = pmui.Select(
            label="Speed",
            options={f"×{speed}": speed for speed in SPEEDS},
            value=state.speed,
            description=f"{state.param['speed'].doc} Default: ×20. Acts at once.",
            size="small",
            width=112,
            margin=(4, 8),
            align="center",
        )
        self.history = pmui.IntSlider(
            label="History (s): drag back",
            start=0,
            end=1,
            value=1,
            description="Shows the run as it was at that simulated time; the runs go on meanwhile unless paused.",
            size="small",
            sizing_mode="stretch_width",
            min_width=220,
            styles={"flex": "1 1 220px"},
            margin=(4, 18, 4, 12),
            align="center",
        )
        self.clock = pn.pane.HTML("", margin=(10, 6), align="center", stylesheets=[CSS])
        notice.param.update(margin=(4, 6), min_width=260, styles={"flex": "1 1 260px"}, align="center", sizing_mode=None)
        self._keys = pmui.Dialog(
            pn.pane.HTML(keys_html(), sizing_mode="stretch_width", stylesheets=[CSS]),
            title="Keys",
            title_variant="h6",
            close_on_click=True,
            show_close_button=True,
            width_option="xs",
        )
        help_button = _button("Keys", "keyboard", 92)
        help_button.on_click(in_turn(lambda _: self.toggle_keys()))
        self.speed.param.watch(lambda event: state.param.update(speed=event.new), "value")
        state.param.watch(lambda event: self.speed.param.update(value=event.new), "speed")
        buttons = (self.play, self.step, self.reset, self.speed, self.share, help_button, self.clock)
        self.root = pn.Column(
            pn.Column(*buttons, sizing_mode="stretch_width", margin=0, stylesheets=[_WRAPPED]),
            pn.Column(self.history, self.live, notice, sizing_mode="stretch_width", margin=0, min_height=62, stylesheets=[_WRAPPED]),
            self._keys,
            sizing_mode="stretch_width",
            margin=0,
        )

    def on_scrub(self, shown: Callable[[int], None]) -> None:
        """Call ``shown`` with the time to which a visitor has dragged, once he lets go.

        Of the value itself the browser also tells when it was the page that set it, and then late.
        """
        self.history.param.watch(lambda event: shown(event.new), "value_throttled")

    def show_playing(self, playing: bool) -> None:
        """Have the button say what it does next."""
        self.play.param.update(label="Pause" if playing else "Play", icon="pause" if playing else "play_arrow")

    def show_time(self, bins: int, bin_s: float, at_bin: int | None) -> None:
        """Where the slider ends, and where it stands: at its end unless the past is shown."""
        put_value(self.history, "step", round(bin_s))
        put_value(self.history, "end", round(max(bins, 1) * bin_s))
        put_value(self.history, "value", round((bins if at_bin is None else at_bin) * bin_s))
        self.live.variant = "outlined" if at_bin is None else "contained"

    def toggle_keys(self) -> None:
        """Show or hide the list of keys."""
        self._keys.open = not self._keys.open


_WRAPPED = ":host { flex-flow: row wrap !important; }"
"""Style of a column whose parts stand beside each other; a row would be as wide as all of them."""


def _button(label: str, icon: str, width: int, variant: str = "outlined") -> Any:
    return pmui.Button(label=label, icon=icon, size="small", margin=4, width=width, variant=variant, align="center")
