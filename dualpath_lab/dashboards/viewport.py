"""How wide the visitor's window is, as far as the page needs to know."""

from __future__ import annotations

import param
from panel.custom import JSComponent


class Viewport(JSComponent):
    """Invisible; ``narrow`` is set once the page is there and whenever the window is resized."""

    narrow = param.Boolean(default=False, doc="Whether the controls would cover the page.")

    _esm = """
    export function render({ model }) {
      const query = window.matchMedia("(max-width: 600px)")
      model.narrow = query.matches
      query.addEventListener("change", () => { model.narrow = query.matches })
    }
    """
