"""What only the visitor's browser can do: tell which keys are pressed, and put a link to the page on the clipboard."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

KEYS = {
    " ": ("Space", "Play or pause"),
    "ArrowRight": ("→", "One simulated second on, paused; in the history, one second later"),
    "ArrowLeft": ("←", "One second back in the history"),
    "End": ("End", "Leave the history for where the runs stand"),
    "r": ("R", "Reset: both runs from the beginning"),
    "?": ("?", "Show or hide this list"),
}
"""Key -> what it is called and what it does."""


class Keyboard(JSComponent):
    """Invisible; keys count wherever the focus is, but for fields that need them themselves."""

    keys = param.List(default=list(KEYS), doc="The keys that are listened for.")

    _esm = """
    const NATIVE = {
      "input[type=range], [role=slider]": ["ArrowLeft", "ArrowRight", "End"],
      "input[type=checkbox], button, a, [role=button], [role=menuitem], [role=option]": [" "],
    }
    const ON_ITS_OWN = "input[type=range], input[type=checkbox], button, a, [role=button]"

    const wanted = (target, key) => {
      for (const [fields, keys] of Object.entries(NATIVE))
        if (target.closest(fields) && keys.includes(key)) return true
      return !target.closest(ON_ITS_OWN)
        && target.closest("input, textarea, select, [contenteditable], [role=combobox], [role=listbox], [role=menu]")
    }

    const copied = async link => {
      try {
        await navigator.clipboard.writeText(link)
        return true
      } catch {
        return false
      }
    }

    export function render({ model }) {
      const pressed = event => {
        const target = event.composedPath()[0]
        const key = event.key.length == 1 ? event.key.toLowerCase() : event.key
        if (event.ctrlKey || event.metaKey || event.altKey || !model.keys.includes(key)) return
        if (target.closest && wanted(target, key)) return
        event.preventDefault()
        if (!event.repeat || key.startsWith("Arrow")) model.send_msg({ key })
      }
      document.addEventListener("keydown", pressed)
      model.on("remove", () => document.removeEventListener("keydown", pressed))
      model.on("msg:custom", async ({ query }) => {
        const link = location.origin + location.pathname + query
        model.send_msg({ copied: await copied(link), link })
      })
    }
    """

    def __init__(self, pressed: Callable[[str], None], copied: Callable[[bool, str], None]) -> None:
        super().__init__()
        self._pressed = pressed
        self._copied = copied

    def copy_link(self, query: str) -> None:
        """Put the page's address with a query on the clipboard; ``copied`` is told whether that worked, and the link."""
        self._send_msg({"query": query})

    def _handle_msg(self, data: Any) -> None:
        told = partial(self._pressed, data["key"]) if "key" in data else partial(self._copied, data["copied"], data["link"])
        pn.state.execute(told, schedule=True)  # a message comes without the document's lock


def keys_html() -> str:
    """The list of keys."""
    rows = "".join(f"<tr><th scope='row'><kbd>{name}</kbd></th><td>{what}</td></tr>" for name, what in KEYS.values())
    return f'<table class="keys">{rows}</table><p class="quiet">They rest while you type in a field.</p>'
