"""What the menu Export of each page gives away: the data as it is shown, and plots that stand for themselves."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from playwright.sync_api import BrowserContext, Download

from dualpath_lab.dashboards.export import KINDS
from dualpath_lab.dashboards.shell import PAGES

from .conftest import Watched

pytestmark = pytest.mark.browser

SMALL = {
    "explore": "workload.agents=8&x.to=2&x.values=2&y.to=2&y.values=2",
    "anatomy": "workload.source=paper-32k&workload.agents=8",
    "lanes": "width_us=200",
    "paper": "figure=ablation",
    "advisor": "workload.agents=8&gpus=16&seeds=1",
}
LOADING_MS = 90_000


def take(watched: Watched, kind: str) -> Download:
    with watched.page.expect_download(timeout=60_000) as started:
        watched.page.get_by_role("button", name="Export").click(timeout=LOADING_MS)
        watched.page.get_by_role("menuitem", name=KINDS[kind][0]).click()
    return started.value


@pytest.mark.parametrize("name", PAGES)
def test_every_kind_is_what_it_says(lab: str, watched: Watched, browser: BrowserContext, name: str, tmp_path: Path) -> None:
    """Mutants: an empty table; units left out; a picture of nothing; a page that asks the network for what it draws with."""
    watched.page.goto(f"{lab}{name}?{SMALL.get(name, '')}")
    watched.page.locator(".bk-Figure").first.wait_for(timeout=LOADING_MS)
    watched.settled()
    if not name:
        watched.page.get_by_role("button", name="Pause").click()
    paths = {}
    for kind in KINDS:
        download = take(watched, kind)
        assert download.suggested_filename.startswith("dualpath-")
        paths[kind] = tmp_path / f"page.{kind}"
        download.save_as(paths[kind])
    table, same = pd.read_csv(paths["csv"]), pd.read_parquet(paths["parquet"])
    assert len(table) > 0
    assert list(table.columns) == list(same.columns)
    assert len(table) == len(same)
    png = paths["png"].read_bytes()
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") > 600, "pixels of width"
    texts = ["".join(each.itertext()) for each in ElementTree.parse(paths["svg"]).iter() if each.tag.endswith("text")]
    assert any(text.strip() for text in texts)
    page = browser.new_page()
    alone = Watched(page)
    page.goto(paths["html"].as_uri())
    page.locator(".bk-Figure").first.wait_for()
    alone.settled()
    alone.painted(page.locator(".bk-Figure").first)
    page.close()
    assert alone.errors == []
    assert [url for url in alone.requests if not url.startswith(("file:", "data:", "blob:"))] == []
