"""What changes in every frame is put straight into a component's models: Panel looks at all of a component for each change of it."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn
import param
from panel.custom import ReactiveESM

from dualpath_lab.dashboards.locking import together


def put_html(pane: pn.pane.HTML, html: str) -> None:
    """Have a pane show something else."""
    _note(pane, "object", html)
    with together():
        for model, _ in pane._models.values():
            model.text = escape(html)


def put_value(component: ReactiveESM, name: str, value: Any) -> None:
    """Give a parameter of a component a value that its script is told of."""
    _note(component, name, value)
    with together():
        for model, _ in component._models.values():
            setattr(model.data, name, value)


def _note(component: param.Parameterized, name: str, value: Any) -> None:
    with param.parameterized.discard_events(component):
        setattr(component, name, value)
