"""The web lab in a cell: a server of its own that answers on the loopback and ends when it is told to."""

import subprocess
import sys
import urllib.request
from urllib.error import URLError

import pytest

from dualpath_lab import ScenarioError
from dualpath_lab.widgets import LabApp


def test_it_shows_a_page_and_ends_with_its_server() -> None:
    lab = LabApp(page="lanes", query="?theme=dark", height=500)
    assert lab.url.startswith("http://localhost:")
    assert lab.url.endswith("/lanes?theme=dark")
    assert f'src="{lab.url}"' in lab._repr_html_()
    assert 'height="500"' in lab._repr_html_()
    with urllib.request.urlopen(lab.url, timeout=30) as answer:
        assert b"DualPath Lab" in answer.read()
    lab.close()
    with pytest.raises(URLError):
        urllib.request.urlopen(lab.url, timeout=5)


def test_a_page_that_is_not_there_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"page = 'settings' is not allowed: it should be one of '', 'explore'"):
        LabApp(page="settings")


def test_without_the_extra_it_is_named() -> None:
    """Mutant: a bare traceback's last line that says only which module is missing."""
    code = "import sys; sys.modules['anywidget'] = None\nfrom dualpath_lab.widgets import ClusterView"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    *_, last = done.stderr.splitlines()
    assert (
        last == "ModuleNotFoundError: dualpath_lab.widgets needs anywidget, which the extra 'notebook' brings: pip install "
        "'dualpath-lab[notebook]'."
    )
