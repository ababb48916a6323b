"""How quick the web app is: ``python benchmarks/web.py``. Needs Debian's chromium; several minutes."""

from __future__ import annotations

import asyncio
import shutil
from statistics import median
from time import monotonic

from playwright.sync_api import BrowserContext, Page, sync_playwright
from visitor import Visitor, memory_mb, server

RACE = "?cluster.prefill_nodes=2&cluster.decode_nodes=4&workload.agents=256&workload.source=paper-64k"
FRAMES_S, VIEWERS, VIEWERS_S, SESSIONS, REPEATS = 20.0, 25, 30.0, 50, 15
FORGOTTEN_S = 15.0
"""After this a session that was closed is gone."""

WATCH = """() => {
  window.frames = 0
  let changed = false
  for (const document of Bokeh.documents)
    for (const model of document._all_models.values()) {
      const signals = model.type == "ColumnDataSource" && model.data.a_prefill_snic !== undefined
        ? [model.streaming, model.properties.data.change]
        : model.attributes?.frame?.nodes || model.properties?.frame ? [model.properties.frame.change] : []
      for (const signal of signals) signal.connect(() => { changed = true })
    }
  const look = () => { window.frames += changed; changed = false; requestAnimationFrame(look) }
  look()
}"""
"""Counts the browser's own frames in which the curves or the pictures had changed."""
FIRST_PAINT = """
const started = performance.now()
const canvases = root => [...root.querySelectorAll("canvas"), ...[...root.querySelectorAll("*")].filter(each => each.shadowRoot)
  .flatMap(each => canvases(each.shadowRoot))]
const drawn = canvas => {
  if (!canvas.width || !canvas.height) return false
  const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)
  return new Set(pixels).size > 3
}
const look = () => {
  if (canvases(document).some(drawn)) window.firstPaint = performance.now()
  else setTimeout(look, 20)
}
look()
"""


def first_paint_s(browser: BrowserContext, url: str) -> float:
    """From asking for the page to the first plot with something in it."""
    page = browser.new_page()
    page.add_init_script(FIRST_PAINT)
    page.goto(url)
    page.wait_for_function("() => window.firstPaint")
    taken = float(page.evaluate("window.firstPaint"))
    page.close()
    return taken / 1e3


def frames_per_s(page: Page) -> float:
    """Frames that show something new."""
    page.evaluate(WATCH)
    started = monotonic()
    page.wait_for_timeout(1e3 * FRAMES_S)
    return float(page.evaluate("window.frames")) / (monotonic() - started)


def slide_s(page: Page) -> float:
    """From a key on a slider to the sentence about it, with both runs going on."""
    taken = []
    for turn in range(REPEATS):
        said = page.get_by_role("status").text_content()
        started = monotonic()
        page.get_by_role("slider", name="Storage bandwidth").press("ArrowRight" if turn % 2 else "ArrowLeft")
        page.wait_for_function("said => { " + STATUS + " return status() != said }", arg=said, polling="raf")
        taken.append(monotonic() - started)
        page.wait_for_timeout(500)
    return median(taken)


STATUS = """
  const find = root => {
    for (const each of root.querySelectorAll("*")) {
      if (each.getAttribute("role") == "status") return each
      const inside = each.shadowRoot && find(each.shadowRoot)
      if (inside) return inside
    }
  }
  const status = () => find(document)?.textContent
"""


async def viewed(url: str) -> list[float]:
    """Updates a second that each of many viewers gets."""
    visitors = [Visitor(url) for _ in range(VIEWERS)]
    for visitor in visitors:
        await visitor.open()
    listening = [asyncio.create_task(visitor.listen()) for visitor in visitors]
    await asyncio.sleep(5)
    before, started = [visitor.updates for visitor in visitors], monotonic()
    await asyncio.sleep(VIEWERS_S)
    seconds = monotonic() - started
    rates = [(visitor.updates - had) / seconds for visitor, had in zip(visitors, before, strict=True)]
    for visitor in visitors:
        visitor.close()
    await asyncio.gather(*listening)
    return rates


async def come_and_go(url: str, sessions: int) -> None:
    """Visitors who stay for two seconds each, five at a time."""

    async def stay() -> None:
        visitor = Visitor(url)
        await visitor.open()
        listening = asyncio.create_task(visitor.listen())
        await asyncio.sleep(2)
        visitor.close()
        await listening

    for _ in range(sessions // 5):
        await asyncio.gather(*(stay() for _ in range(5)))
    await asyncio.sleep(FORGOTTEN_S)


def main() -> None:
    """Print a line for each figure."""
    with server() as (url, process):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
            visits = browser.new_context(viewport={"width": 1280, "height": 800})
            first_paint_s(visits, url)  # what a browser keeps of an earlier visit is there
            print(f"first paint after {median(first_paint_s(visits, url) for _ in range(5)):.2f} s (median of 5, asked 2)", flush=True)
            live = visits.new_page()
            live.goto(f"{url}{RACE}")
            live.get_by_role("button", name="Pause").wait_for()
            live.wait_for_timeout(3000)
            print(f"live 2P4D, A/B: {frames_per_s(live):.1f} frames a second that show something new (asked 15)", flush=True)
            print(f"slider to the answer: {1e3 * slide_s(live):.0f} ms (median of {REPEATS}, asked 250)", flush=True)
            browser.close()
        rates = asyncio.run(viewed(url))
        print(
            f"{VIEWERS} viewers: {min(rates):.1f} to {max(rates):.1f} updates a second each, median {median(rates):.1f} (asked 5)",
            flush=True,
        )
        asyncio.run(come_and_go(url, 10))
        before = memory_mb(process)
        asyncio.run(come_and_go(url, SESSIONS))
        after = memory_mb(process)
        print(f"memory: {before:.0f} MB, after {SESSIONS} sessions {after:.0f} MB ({after / before - 1:+.1%}, asked 10 %)", flush=True)


if __name__ == "__main__":
    main()
