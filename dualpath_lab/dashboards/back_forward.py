"""Back and forward in the browser, which Panel's own location does not tell of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
from panel.custom import JSComponent


class BackForward(JSComponent):
    """Invisible; calls ``went`` with the part of the address that begins with ``?``, each time that the visitor goes back or forward."""

    _esm = """
    export function render({ model }) {
      const went = () => {
        const search = window.location.search
        for (const page of Bokeh.documents)
          for (const each of page._all_models.values())
            if (each.type == "panel.models.location.Location") each.setv({ search }, { silent: true })  // else it would be a new entry
        model.send_msg({ search })
      }
      window.addEventListener("popstate", went)
      model.on("remove", () => window.removeEventListener("popstate", went))
    }
    """

    def __init__(self, went: Callable[[str], object]) -> None:
        super().__init__(width=0, height=0, margin=0)
        self._went = went

    def _handle_msg(self, data: Any) -> None:
        def go() -> None:
            self._went(data["search"])

        pn.state.execute(go, schedule=True)  # a message comes without the document's lock
