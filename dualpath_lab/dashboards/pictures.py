"""The figures of the published results as pictures, taken by a headless Chromium that needs no network."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import holoviews as hv
from bokeh.embed import components
from bokeh.resources import Resources

from dualpath_lab.dashboards.paper_figures import FIGURES
from dualpath_lab.studies.reproduce import Picture, Results, write_whole

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
_DRAWN = "() => window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents.every(document => document.is_idle)"


class NoPictures(RuntimeError):
    """Why no picture can be taken here."""


def write_pictures(folder: Path, results: Results) -> list[Picture]:
    """Write a PNG for each figure that has something to show.

    Raises
    ------
    NoPictures
        If playwright or a Chromium is missing, or it does not start.
    """
    drawn = {name: element for name, entry in FIGURES.items() if len(element := entry.draw(results))}
    if not drawn:
        return []
    for name, content in _photographed(_page(drawn), list(drawn)).items():
        write_whole(folder / f"{name}.png", content)
    return [Picture(f"{name}.png", FIGURES[name].title, FIGURES[name].caption) for name in drawn]


def _page(drawn: Mapping[str, hv.Overlay]) -> str:
    models: dict[str, Any] = {name: hv.render(element, backend="bokeh") for name, element in drawn.items()}
    script, places = components(models)
    body = "".join(f'<div id="{name}" style="display: inline-block; background: white">{place}</div><br>' for name, place in places.items())
    library = "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)
    return f"<!doctype html><meta charset='utf-8'><script>{library}</script><body>{body}{script}"


def _photographed(page: str, names: list[str]) -> dict[str, bytes]:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise NoPictures("playwright is not installed") from None
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise NoPictures("there is no chromium on the path")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=_ARGUMENTS)
            shown = browser.new_page(viewport={"width": 1000, "height": 800}, device_scale_factor=2)
            shown.set_content(page)
            shown.wait_for_function(_DRAWN)
            pictures = {name: shown.locator(f"#{name}").screenshot() for name in names}
            browser.close()
            return pictures
    except Error as error:
        raise NoPictures(f"chromium does not draw ({str(error).splitlines()[0]})") from None
