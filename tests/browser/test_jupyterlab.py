"""The lab's home: a real JupyterLab, without a network, in which sliders move figures and the cluster plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from .jupyter import Notebook, jupyter_lab

pytestmark = pytest.mark.browser

CELLS = (
    """
import holoviews as hv
import ipywidgets as widgets
import panel as pn
from dualpath_lab import Scenario, compare
from dualpath_lab.widgets import ClusterView

hv.extension("bokeh", inline=True)
pn.extension(inline=True)
scenario = Scenario().with_values({
    "model": "qwen-32b", "cluster.prefill_nodes": 1, "cluster.decode_nodes": 2, "cluster.storage_gbps": 50,
    "workload.source": "paper-32k", "workload.agents": 8,
})
scenario
""",
    """
def figure(agents):
    runs = compare(scenario.with_values({"workload.agents": agents}), ["basic", "dualpath"]).runs
    bars = [(system, run.values["jct_s"]) for system, run in runs.items()]
    return hv.Bars(bars, "system", "JCT (s)").opts(width=400, height=260, toolbar=None)

agents = widgets.IntSlider(value=8, min=4, max=16, step=4, description="Agents", continuous_update=False)
shown = widgets.interactive_output(lambda agents: display(pn.panel(figure(agents))), {"agents": agents})
widgets.VBox([agents, shown])
""",
    """
view = ClusterView(scenario.with_values({"workload.agents": 200}), label="A")
view.controls()
""",
    """
compare(scenario, ["basic", "dualpath"])
""",
    """
from dualpath_lab.widgets import LabApp

LabApp(height=700)
""",
)
PIXELS = """root => {
  const canvases = here => [...here.querySelectorAll("*")].flatMap(each =>
    [...(each.tagName == "CANVAS" ? [each] : []), ...(each.shadowRoot ? canvases(each.shadowRoot) : [])])
  return canvases(root).map(canvas => canvas.toDataURL()).join("").length
}"""


@pytest.fixture
def page(browser: BrowserContext, tmp_path: Path) -> Iterator[tuple[Page, str]]:
    """A page, and the address of a JupyterLab with the notebook above; at the end nobody else may have been asked for anything."""
    notebooks, home = tmp_path / "notebooks", tmp_path / "home"
    notebooks.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, notebooks / "lab.ipynb")
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with jupyter_lab(notebooks, home) as url:
        yield page, url
        page.close()
    assert [url for url in asked if not url.startswith(("http://localhost:", "data:", "blob:"))] == []


def changed(page: Page, root: Locator, before: object, script: str) -> None:
    page.wait_for_function(f"([root, before]) => ({script})(root) !== before", arg=[root.element_handle(), before], timeout=60_000)


def test_a_notebook_runs_offline_its_slider_moves_its_figure_and_its_cluster_plays(page: tuple[Page, str]) -> None:
    notebook = Notebook(page[0], page[1], "lab.ipynb")
    notebook.run_all()
    assert notebook.errors() == []

    setup, figure, cluster, table, app = (notebook.outputs(index) for index in range(len(CELLS)))
    expect(setup.get_by_role("cell", name="cluster.storage_gbps").first).to_be_visible()
    expect(table.get_by_role("columnheader", name="times as fast")).to_be_visible()

    changed(page[0], figure, 0, PIXELS)
    before = page[0].evaluate(PIXELS, figure.element_handle())
    figure.get_by_role("slider").press("ArrowRight")
    changed(page[0], figure, before, PIXELS)

    picture = cluster.locator(".dualpath-cluster svg")
    expect(picture).to_be_visible()
    assert picture.bounding_box()["width"] > 300  # type: ignore[index]
    words = picture.get_attribute("aria-label")
    assert words is not None
    assert words.startswith("A dualpath at 0 s")
    cluster.get_by_role("button", name="Play").click()
    expect(picture).not_to_have_attribute("aria-label", words)
    page[0].wait_for_function("svg => Number(/at (\\d+) s/.exec(svg.ariaLabel)[1]) >= 20", arg=picture.element_handle(), timeout=60_000)
    cluster.get_by_role("button", name="Pause").click()

    live = app.frame_locator("iframe[title='DualPath Lab']")
    expect(live.locator(".dualpath-cluster svg").first).to_be_visible(timeout=60_000)
    assert notebook.errors() == []
