"""A real server and a real, headless browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect, sync_playwright

expect.set_options(timeout=60_000)

APP = Path(__file__).parents[2] / "dualpath_lab" / "dashboards" / "app.py"
START_S = 120.0
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[BrowserContext]:
    """One browser for all tests, with a cache, as a visitor has it."""
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "there is no chromium on the PATH; apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser.new_context(viewport={"width": 1280, "height": 800})
        browser.close()


@contextmanager
def running(*command: str, url: str, ready: str) -> Iterator[str]:
    """Run a server until ``ready`` answers 200; at the end its log must hold no traceback and no error."""
    with running_process(*command, ready=ready):
        yield url


@contextmanager
def running_process(*command: str, ready: str, expected: str = "nothing") -> Iterator[int]:
    """As :func:`running`, for who wants the number of the process, or expects an error's words in the log."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, *command], stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(ready, process)
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)
        log.seek(0)
        text = "".join(line for line in log if expected not in line)
    assert "Traceback" not in text, text
    assert "ERROR" not in text, text


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            assert process.poll() is None, "the server ended by itself"
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer within {START_S:.0f} s")


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def lab() -> Iterator[str]:
    """Address of the app as ``dualpath-lab serve`` serves it."""
    port = free_port()
    url = f"http://localhost:{port}"
    with running("-m", "dualpath_lab", "serve", "--no-show", "--port", str(port), url=f"{url}/", ready=f"{url}/healthz") as address:
        yield address


@pytest.fixture
def plain() -> Iterator[str]:
    """Address of the app as plain ``panel serve`` serves it."""
    port = free_port()
    url = f"http://localhost:{port}"
    ready = f"{url}/static/js/bokeh.min.js"
    with running("-m", "panel", "serve", str(APP), "--port", str(port), url=f"{url}/app", ready=ready) as address:
        yield address


class Watched:
    """A page, with everything that it asked for and complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, url: str) -> Watched:
        self.page.goto(url)
        self.page.wait_for_function(f"() => ({CURVES})() !== null && document.readyState === 'complete'")
        self.page.locator(".side-b").wait_for()
        self.settled()
        return self

    def settled(self) -> None:
        """Wait until everything on the page has been drawn once."""
        self.page.wait_for_function("() => Bokeh.documents.length && Bokeh.documents.every(document => document.is_idle)")

    def curves(self) -> dict[str, Any]:
        """Length, last time and mean of some curves, as the browser has them."""
        return dict(self.page.evaluate(CURVES))

    def rested(self) -> float:
        """Last time of the curves, once two looks in a row find the same: what was on its way at a pause is there."""
        before, now = -1.0, self.curves()["end"]
        while now != before:
            self.page.wait_for_timeout(300)
            before, now = now, self.curves()["end"]
        return float(now)

    def grown_beyond(self, seconds: float) -> None:
        """Wait until the curves reach a simulated time."""
        self.page.wait_for_function(f"end => ({CURVES})().end > end", arg=seconds, timeout=60_000)

    def begun_anew(self, before_s: float) -> None:
        """Wait until the curves end before a simulated time."""
        self.page.wait_for_function(f"end => ({CURVES})().end < end", arg=before_s)

    def painted(self, figure: Locator) -> None:
        """Wait until there is something to see in a Bokeh figure."""
        self.page.wait_for_function(f"canvas => ({COLOURS})(canvas) > 3", arg=figure.locator("canvas").first.element_handle())

    def slide(self, label: str, key: str, times: int = 1) -> None:
        """Move a slider by keyboard."""
        handle = self.page.get_by_role("slider", name=label)
        for _ in range(times):
            handle.press(key)


COLOURS = """canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer
  return new Set(new Uint32Array(pixels)).size
}"""
CURVES = """() => {
  for (const document of Bokeh.documents)
    for (const model of document._all_models.values())
      if (model.type == "ColumnDataSource" && model.data.a_prefill_snic !== undefined) {
        const t = Array.from(model.data.t)
        const steps = t.slice(1).map((time, row) => time - t[row])
        const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length
        return {
          rows: t.length, end: t[t.length - 1], even: new Set(steps).size <= 1,
          a_prefill_snic: mean(Array.from(model.data.a_prefill_snic)), a_decode_snic: mean(Array.from(model.data.a_decode_snic)),
          b_decode_snic: mean(Array.from(model.data.b_decode_snic)),
        }
      }
  return null
}"""


@pytest.fixture
def watched(browser: BrowserContext) -> Iterator[Watched]:
    """A wide page; at the end it must have asked nobody but the server for anything, and complained about nothing."""
    page = browser.new_page()
    watched = Watched(page)
    yield watched
    page.close()
    assert watched.errors == []
    assert [url for url in watched.requests if not url.startswith(("http://localhost:", "data:", "blob:"))] == []
