"""Every page, light and dark, wide and narrow, as axe-core sees it: nothing serious or critical but what a library's own markup brings."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

from dualpath_lab.dashboards.shell import PAGES

from .conftest import Watched

pytestmark = pytest.mark.browser

LOADING_MS = 90_000
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
SMALL = {"explore": "&workload.agents=8&x.to=2&x.values=2&y.to=2&y.values=2", "anatomy": "&workload.source=paper-32k&workload.agents=8"}
ALLOWED: dict[str, tuple[str, str]] = {}
"""Rule -> part of the element's markup, and why it can't be mended from outside."""
NAMED = """() => {
  const roots = [document]
  for (const root of roots) for (const element of root.querySelectorAll("*")) if (element.shadowRoot) roots.push(element.shadowRoot)
  return roots.every(root => !root.querySelector("span[aria-label]:not([role]), [role=progressbar]:not([aria-label])"))
}"""
"""Whether the names that the page gives its widgets are there."""
FINDINGS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] })
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .flatMap(({ id, help, nodes }) => nodes.map(({ html, target, failureSummary }) => ({ id, help, html, target, failureSummary })))
}"""


def told(finding: dict[str, Any]) -> str:
    return f"{finding['id']}: {finding['help']}\n    {finding['html'][:300]}\n    {finding['target']}\n    {finding['failureSummary']}"


@pytest.mark.parametrize("width", [1280, 420])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_serious_is_found(lab: str, watched: Watched, name: str, theme: str, width: int) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{lab}{name}?theme={theme}{SMALL.get(name, '')}")
    page.locator(".bk-Figure").first.wait_for(timeout=LOADING_MS)
    watched.settled()
    page.wait_for_function(NAMED)
    page.evaluate(AXE)
    findings = [
        finding for finding in page.evaluate(FINDINGS) if finding["id"] not in ALLOWED or ALLOWED[finding["id"]][0] not in finding["html"]
    ]
    assert not findings, "\n".join(told(finding) for finding in findings)
