"""Names and roles for screen readers where the library's own widgets have none."""

from __future__ import annotations

from panel.custom import JSComponent


class Names(JSComponent):
    """Invisible; gives names to what a page holds, and to what comes later, in every shadow tree."""

    _esm = """
    const LABELS = [
      ["span[aria-label]:not([role])", element => element.setAttribute("role", "img")],  // the sign that holds a control's help
      ["div[aria-label]:not([role])", element => element.setAttribute("role", "group")],
      [".MuiInputAdornment-positionStart button:not([aria-label])", element => element.setAttribute("aria-label", "Less")],
      [".MuiInputAdornment-positionEnd button:not([aria-label])", element => element.setAttribute("aria-label", "More")],
      ["[role=progressbar]:not([aria-label])", element => element.setAttribute("aria-label", "Progress of the runs")],
      ["[role=dialog]:not([aria-label])", element => element.setAttribute("aria-label", "Settings")],
    ]

    export function render({ model }) {
      const seen = new Set(), observers = []
      const look = root => {
        for (const [selector, name] of LABELS) root.querySelectorAll(selector).forEach(name)
        for (const element of root.querySelectorAll("*")) if (element.shadowRoot) enter(element.shadowRoot)
      }
      const enter = root => {
        if (seen.has(root)) return
        seen.add(root)
        let due = false
        const observer = new MutationObserver(() => {
          if (due) return
          due = true
          setTimeout(() => { due = false; look(root) }, 200)
        })
        observer.observe(root, { childList: true, subtree: true })
        observers.push(observer)
        look(root)
      }
      enter(document)
      const again = setInterval(() => look(document), 2000)  // a shadow tree that is attached late is no mutation
      model.on("remove", () => { clearInterval(again); observers.forEach(observer => observer.disconnect()) })
    }
    """

    def __init__(self) -> None:
        super().__init__(width=0, height=0, margin=0)
