"""What a page shows is what the command line says for the same scenario and seed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Locator, expect

from dualpath_lab.lane_scenario import LaneScenario
from dualpath_lab.picture.style import duration, ratio
from dualpath_lab.scenario import keys

from .conftest import Watched
from .test_export import take

pytestmark = pytest.mark.browser

SMALL = "workload.source=paper-32k&workload.agents=8"
PATIENCE_MS = 180_000


def said(*arguments: str) -> dict[str, Any]:
    """What a command says as JSON."""
    done = subprocess.run([sys.executable, "-m", "dualpath_lab", *arguments, "--json"], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def run(watched: Watched, **others: str) -> dict[str, Any]:
    """The result of the scenario that the page's address names, with its system."""
    named = dict(parse_qsl(urlsplit(watched.page.url).query))
    values = {key: value for key, value in named.items() if key in keys()} | others
    return said("run", *(f"--set={key}={value}" for key, value in values.items()))


def shows(card: Locator, what: str, value: str) -> None:
    expect(card.locator(".figures > div").filter(has_text=what).first.locator(".value")).to_have_text(value)


def test_live_ends_with_the_figures_of_a_run(lab: str, watched: Watched) -> None:
    watched.open(f"{lab}?{SMALL}&speed=500")
    status = watched.page.get_by_role("status")
    expect(status).to_contain_text("Both runs have ended", timeout=PATIENCE_MS)
    for side, system in (("a", "basic"), ("b", "dualpath")):
        result = run(watched, system=system)
        card = watched.page.locator(f".side-{side}")
        ttft = result["latency_s"]["ttft"]
        expect(status).to_contain_text(f"{side.upper()} {system} {duration(result['jct_s'])}")
        shows(card, "TTFT p50", duration(ttft["p50"]))
        shows(card, "TTFT p99", duration(ttft["p99"]))
        shows(card, "Turns done", f"{result['turns']:,}")


def test_a_cell_of_explore_has_the_figures_of_a_run(lab: str, watched: Watched) -> None:
    watched.page.goto(f"{lab}explore?{SMALL}&x.to=2&x.values=2&y.to=2&y.values=2&cell.x=2&cell.y=1")
    expect(watched.page.locator(".progress")).to_contain_text("4 of 4 cells", timeout=PATIENCE_MS)
    place = {"cluster.decode_nodes": "2", "cluster.prefill_nodes": "1"}
    a, b = (run(watched, system=system, **place) for system in ("basic", "dualpath"))
    cards = watched.page.locator(".card.cell .figures")
    for card, result in zip((cards.nth(0), cards.nth(1)), (a, b), strict=True):
        values = [result["jct_s"], result["latency_s"]["ttft"]["p50"], result["latency_s"]["ttft"]["p99"]]
        for what, value in zip(("JCT", "TTFT p50", "TTFT p99"), values, strict=True):
            expect(card.locator("div").filter(has_text=what).first.locator(".value")).to_have_text(duration(value))
    expect(watched.page.locator(".card.cell .name")).to_contain_text(ratio(a["jct_s"] / b["jct_s"]))


def test_the_turns_of_anatomy_are_those_of_a_run(lab: str, watched: Watched, tmp_path: Path) -> None:
    watched.page.goto(f"{lab}anatomy?{SMALL}")
    watched.page.locator(".bk-Figure").first.wait_for()
    watched.settled()
    watched.page.wait_for_function("() => location.search.includes('system=')")
    take(watched, "csv").save_as(tmp_path / "turns.csv")
    turns, result = pd.read_csv(tmp_path / "turns.csv"), run(watched)
    assert len(turns) == result["turns"]
    assert turns["finished_s"].max() == result["jct_s"]
    assert (turns["hit_tokens"].sum(), turns["computed_tokens"].sum()) == (result["tokens"]["hit"], result["tokens"]["computed"])
    for name in ("ttft", "ttst", "tpot"):
        known = turns[f"{name}_s"].dropna()
        for quantile in (50, 90, 99):
            assert np.percentile(known, quantile) == pytest.approx(result["latency_s"][name][f"p{quantile}"], rel=1e-12)


def test_a_lane_has_the_figures_of_the_port_by_itself(lab: str, watched: Watched) -> None:
    watched.page.goto(f"{lab}lanes?model.load=0.5&versus=equal")
    watched.page.wait_for_function("() => location.search.includes('versus=equal') && location.search.includes('kv.outstanding')")
    named = dict(parse_qsl(urlsplit(watched.page.url).query))
    values = {key: value for key, value in named.items() if key.split(".")[0] in LaneScenario.model_fields and value != "null"}
    for side, preset in (("a", named["port.preset"]), ("b", "equal")):
        result = said("vl", *(f"--set={key}={value}" for key, value in (values | {"port.preset": preset}).items()))
        shows(watched.page.locator(f".side-{side}"), "Burst slow-down", ratio(result["burst_s"]["slowdown"]))
        expect(watched.page.locator(f".side-{side} .shared")).to_contain_text(f"KV {100 * result['share']['kv']:.1f} %")
