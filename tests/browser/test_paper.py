"""The page of the published results as a visitor has it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from dualpath_lab.dashboards.paper_figures import FIGURES
from dualpath_lab.studies.reproduce import stored_results

from .conftest import Watched

pytestmark = pytest.mark.browser

LOADING_MS = 90_000


def test_it_opens_with_the_figures_painted_and_the_table(lab: str, watched: Watched) -> None:
    """As many figures as the stored runs belong to."""
    results = stored_results()
    figures = [name for name, figure in FIGURES.items() if len(figure.draw(results))]
    assert "offline_jct" in figures
    watched.page.goto(f"{lab}paper")
    expect(watched.page.locator(".bk-Figure")).to_have_count(len(figures), timeout=LOADING_MS)
    expect(watched.page.get_by_role("row").filter(has_text="E5")).to_contain_text("predict")
    watched.painted(watched.page.locator(".bk-Figure").first)


def test_a_legend_is_written_as_large_as_the_axes(lab: str, watched: Watched) -> None:
    """Whose names have 12 px. Mutant: a legend is left to the page's theme, whose 0.95 em are 15 px there."""
    watched.page.goto(f"{lab}paper?figure=ablation")
    name = watched.page.locator(".bk-Legend").get_by_text("published")
    expect(name).to_be_visible(timeout=LOADING_MS)
    assert 11.5 <= name.evaluate("name => parseFloat(getComputedStyle(name).fontSize)") <= 13


def test_a_figure_by_itself_is_a_link_of_its_own(lab: str, watched: Watched) -> None:
    watched.page.goto(f"{lab}paper?figure=ablation")
    expect(watched.page.locator(".bk-Figure")).to_have_count(1, timeout=LOADING_MS)
    expect(watched.page.get_by_role("heading", name="what each mechanism brings")).to_be_visible()
    watched.page.get_by_role("combobox", name="Figure").click()
    watched.page.get_by_role("menuitem", name="small_pairs", exact=True).click()
    expect(watched.page.get_by_role("heading", name="pairs with equal storage bandwidth")).to_be_visible()
    watched.page.wait_for_function("() => location.search.includes('figure=small_pairs')")


def test_at_phone_width_nothing_sticks_out(lab: str, watched: Watched) -> None:
    watched.page.set_viewport_size({"width": 420, "height": 800})
    watched.page.goto(f"{lab}paper")
    expect(watched.page.locator(".bk-Figure").first).to_be_visible(timeout=LOADING_MS)
    assert watched.page.evaluate("document.documentElement.scrollWidth") == 420
    widths = watched.page.locator(".bk-Figure").evaluate_all("figures => figures.map(figure => figure.getBoundingClientRect().right)")
    assert max(widths) <= 420


def test_a_row_is_run_from_the_page(lab: str, watched: Watched) -> None:
    """Really run; ours is then the one seed's."""
    watched.page.goto(f"{lab}paper?row=E4")
    row = watched.page.get_by_role("row").filter(has_text="E4")
    expect(row).to_contain_text(" to ", timeout=LOADING_MS)
    watched.page.get_by_role("button", name="Run E4").click()
    expect(watched.page.get_by_text("E4: run here with seed 0")).to_be_visible(timeout=120_000)
    expect(row).to_contain_text("one seed")


def test_a_row_is_cancelled(lab: str, watched: Watched) -> None:
    watched.page.goto(f"{lab}paper?row=C2")
    watched.page.get_by_role("button", name="Run C2").click(timeout=LOADING_MS)
    watched.page.get_by_role("button", name="Cancel").click()
    expect(watched.page.get_by_text("Cancelled; nothing has changed.")).to_be_visible()
    expect(watched.page.get_by_role("button", name="Run C2")).to_be_visible()


def test_the_theme_of_a_link_stays_in_it(lab: str, watched: Watched) -> None:
    """Mutant: a page that writes its settings into the address forgets it, and a reload is light again."""
    page = watched.page
    page.goto(f"{lab}paper?theme=dark&figure=ablation")
    page.get_by_role("combobox", name="Figure").click(timeout=LOADING_MS)
    page.get_by_role("menuitem", name="small_pairs", exact=True).click()
    page.wait_for_function("() => location.search.includes('figure=small_pairs')")
    assert "theme=dark" in page.evaluate("location.search")
    page.reload()
    expect(page.get_by_role("heading", name="pairs with equal storage bandwidth")).to_be_visible(timeout=LOADING_MS)
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number)")
    assert max(shade) < 100
