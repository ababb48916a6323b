"""Back and forward in the browser, which Panel's own location does not tell of."""

from __future__ import annotations

import param
from panel.custom import JSComponent


class History(JSComponent):
    """Invisible; knows what the address was when the visitor last went back or forward.

    Attributes
    ----------
    search : str
        The part of the address that begins with ``?``.
    """

    search = param.String(default="")

    _esm = """
    export function render({model}) {
      const went = () => {
        const search = window.location.search
        for (const document of Bokeh.documents)
          for (const each of document._all_models.values())
            if (each.type == "panel.models.location.Location") each.setv({search}, {silent: true})  // else it would be a new entry
        model.search = search
      }
      window.addEventListener("popstate", went)
      model.on("remove", () => window.removeEventListener("popstate", went))
      return document.createElement("span")
    }
    """
