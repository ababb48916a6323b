"""Files for the visitor: what the server made, and pictures that the browser draws of plots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import panel as pn
from panel.custom import JSComponent


class Download(JSComponent):
    """Invisible; ``done`` is told of the end of each download, with what went wrong or nothing."""

    _esm = """
    const WIDTH = 1320  // two plots side by side
    const PATIENCE_MS = 20000

    const save = (blob, name) => {
      const link = document.createElement("a")
      link.href = URL.createObjectURL(blob)
      link.download = name
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 10000)
    }

    const idle = async document => {
      for (const end = Date.now() + PATIENCE_MS; !document.is_idle;) {
        if (Date.now() > end) throw new Error("the plots take too long to draw")
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    }

    const drawn = async (item, kind) => {
      const host = document.createElement("div")
      host.setAttribute("aria-hidden", "true")
      Object.assign(host.style, { position: "absolute", left: `${-2 * WIDTH}px`, top: "0", width: `${WIDTH}px`, background: "white" })
      document.body.append(host)
      const [view] = await Bokeh.embed.embed_item(item, host)
      const page = view.model.document
      try {
        await idle(page)
        return await view.export(kind, kind == "png").to_blob()
      } finally {
        page.clear()
        Bokeh.documents.splice(Bokeh.documents.indexOf(page), 1)
        host.remove()
      }
    }

    export function render({ model }) {
      model.on("msg:custom", async ({ name, content, type, item, kind }) => {
        let problem = ""
        try {
          save(item ? await drawn(item, kind) : new Blob([content], { type }), name)
        } catch (error) {
          problem = String(error?.message ?? error ?? "the browser cannot draw the plots")
        }
        model.send_msg({ problem })
      })
    }
    """

    def __init__(self, done: Callable[[str], None]) -> None:
        super().__init__(width=0, height=0, margin=0)
        self._done = done

    def give(self, name: str, content: bytes, mime: str) -> None:
        """Have the browser keep a file."""
        self._send_msg({"name": name, "content": content, "type": mime})

    def draw(self, name: str, item: Any, kind: str) -> None:
        """Have the browser draw plots, as :func:`prints.as_item` makes them, and keep them as a file; ``kind`` is png or svg."""
        self._send_msg({"name": name, "item": item, "kind": kind})

    def _handle_msg(self, data: Any) -> None:
        pn.state.execute(partial(self._done, data["problem"]), schedule=True)  # a message comes without the document's lock
