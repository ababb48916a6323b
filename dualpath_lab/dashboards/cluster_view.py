"""The animated picture of a cluster as a Panel component."""

from __future__ import annotations

import json
from typing import Any

import param
from panel.custom import JSComponent

from dualpath_lab.dashboards.putting import put_value
from dualpath_lab.picture.drawing import ROOT_STYLE, SCRIPT
from dualpath_lab.picture.frame import ClusterFrame
from dualpath_lab.picture.words import with_words


class ClusterView(JSComponent):
    """One side's cluster; its dashes move while it is ``playing``."""

    label = param.String(doc="Which side it is; the name of the system follows it.")
    frame = param.String(doc="What it shows: a ClusterFrame and its Words, as JSON, which is quicker to send than what is in it.")
    playing = param.Boolean(default=False, doc="Whether simulated time goes on.")

    _esm = SCRIPT

    def __init__(self, **params: Any) -> None:
        super().__init__(sizing_mode="stretch_width", margin=(10, 0, 0, 0), stylesheets=[ROOT_STYLE], **params)

    def draw(self, frame: ClusterFrame) -> None:
        """Show another moment."""
        put_value(self, "frame", json.dumps(with_words(frame, self.label), separators=(",", ":")))
