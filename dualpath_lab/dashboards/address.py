"""The address in the visitor's browser: it follows the settings, and the settings follow it back and forward."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent


class Address(JSComponent):
    """Invisible; keeps the part of the address that begins with ``?``.

    Parameters
    ----------
    query : str
        What it is at first.
    went : callable
        Told of what it is each time that the visitor goes back or forward.
    """

    entry = param.List(doc="The query, and whether it is a step that the visitor can go back from.")

    _esm = """
    export function render({ model }) {
      const write = () => {
        const [query, step] = model.entry
        if (window.location.search == query) return
        window.history[step ? "pushState" : "replaceState"]({}, "", window.location.pathname + query + window.location.hash)
      }
      const went = () => model.send_msg({ query: window.location.search })
      write()
      model.on("entry", write)
      window.addEventListener("popstate", went)
      model.on("remove", () => window.removeEventListener("popstate", went))
    }
    """

    def __init__(self, query: str, went: Callable[[str], object]) -> None:
        super().__init__(entry=[query, False], width=0, height=0, margin=0)
        self._went = went
        self._going = False

    def say(self, query: str, step: bool = True) -> None:
        """Have the address say something else; on the way back or forward it is no step of its own."""
        entry = [query, step and not self._going]

        def write() -> None:
            self.entry = entry

        pn.state.onload(write)  # what is changed before the page is loaded gets lost

    def _handle_msg(self, data: Any) -> None:
        pn.state.execute(partial(self._go, data["query"]), schedule=True)  # a message comes without the document's lock

    def _go(self, query: str) -> None:
        self._going = True
        try:
            self._went(query)
        finally:
            self._going = False
