"""The animated picture of a cluster as a Panel component; ``cluster_view.js`` draws it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

from dualpath_lab.dashboards.cluster_frame import ClusterFrame
from dualpath_lab.dashboards.cluster_words import words
from dualpath_lab.dashboards.style import BUSY_SCALE, DECODE, KV, MODEL, PREFILL, STRUCTURE

_COLOURS = {"prefill": PREFILL, "decode": DECODE, "kv": KV, "model": MODEL, "structure": STRUCTURE}
_COLOURS |= {f"busy-{step}": colour for step, colour in enumerate(BUSY_SCALE)}
_VARIABLES = "".join(f"--{name}: {colour};" for name, colour in _COLOURS.items())
STYLE = f":host {{ {_VARIABLES} }}\n{Path(__file__).with_suffix('.css').read_text()}"


class ClusterView(JSComponent):
    """One side's cluster; its dashes move while it is ``playing``."""

    label = param.String(doc="Which side it is; the name of the system follows it.")
    frame = param.Dict(default={}, doc="What it shows: a ClusterFrame and its Words.")
    playing = param.Boolean(default=False, doc="Whether simulated time goes on.")

    _esm = Path(__file__).with_suffix(".js")

    def __init__(self, **params: Any) -> None:
        super().__init__(sizing_mode="stretch_width", margin=(10, 0, 0, 0), stylesheets=[STYLE], **params)

    def draw(self, frame: ClusterFrame) -> None:
        """Show another moment."""
        self.frame = {**frame, "words": words(frame, self.label)}
