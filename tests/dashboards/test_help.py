"""Every control and every panel of every page says what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import panel as pn
import panel_material_ui as pmui
import pytest

from dualpath_lab.dashboards.advisor import AdvisorLab
from dualpath_lab.dashboards.advisor_state import AdvisorState
from dualpath_lab.dashboards.anatomy import AnatomyLab
from dualpath_lab.dashboards.anatomy_state import AnatomyState
from dualpath_lab.dashboards.explore import ExploreLab
from dualpath_lab.dashboards.explore_state import ExploreState
from dualpath_lab.dashboards.headings import HELP, titled
from dualpath_lab.dashboards.jobs import Jobs
from dualpath_lab.dashboards.lane_state import LaneState
from dualpath_lab.dashboards.lanes import LaneLab
from dualpath_lab.dashboards.page import LivePage
from dualpath_lab.dashboards.paper import PaperLab, PaperState
from dualpath_lab.dashboards.shell import PAGES
from dualpath_lab.dashboards.state import LabState
from dualpath_lab.dashboards.visit import Visit

from .made_up_results import made_up

SMALL = {"source": "paper-32k", "agents": 8}
WITHOUT_WORDS = (pmui.Button, pmui.MenuButton, pmui.FileDownload)
"""Their label says it."""


@pytest.fixture(scope="module")
def jobs() -> Iterator[Jobs]:
    jobs = Jobs(processes=1)
    yield jobs
    jobs.close()


def opened(name: str, jobs: Jobs) -> Visit:
    pages = {
        "": lambda: LivePage(LabState(**SMALL), []),
        "explore": lambda: ExploreLab(ExploreState(agents=8, x_high=2, x_steps=2, y_high=2, y_steps=2), [], jobs),
        "anatomy": lambda: AnatomyLab(AnatomyState(**SMALL), []),
        "paper": lambda: PaperLab(PaperState(), made_up(["A1"], [0]), [], jobs),
        "lanes": lambda: LaneLab(LaneState(), []),
        "advisor": lambda: AdvisorLab(AdvisorState(gpus=16, **SMALL), [], jobs),
    }
    return pages[name]()


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, jobs: Jobs) -> Iterator[Visit]:
    page = opened(request.param, jobs)
    yield page
    if hasattr(page, "stop"):
        page.stop()


def everything(page: Visit) -> list[Any]:
    return [part for root in (*page.root.sidebar, *page.root.main) for part in root.select()]


def test_every_control_has_a_name_and_says_what_it_does(page: Visit) -> None:
    """Mutant: a new slider without a sentence."""
    controls = [part for part in everything(page) if isinstance(part, pn.widgets.Widget) and not isinstance(part, WITHOUT_WORDS)]
    assert controls
    for control in controls:
        assert control.label, control
        assert control.description.endswith("."), control.label


def test_every_panel_says_what_it_shows(page: Visit) -> None:
    """Mutant: a panel's title without its sign."""
    headings = [str(part.object) for part in everything(page) if isinstance(part, pn.pane.HTML) and 'class="heading"' in str(part.object)]
    assert [heading for heading in headings if heading.count("<b>") != heading.count("<details")] == []


def test_a_sign_names_its_panel_and_says_a_sentence() -> None:
    for name, sentence in HELP.items():
        assert sentence.endswith(".")
        assert f'aria-label="What {name} shows"' in titled(name)
        assert "&lt;" in titled(name, "<script>")
