"""The whole web lab inside a notebook's cell."""

from __future__ import annotations

import subprocess
import sys
import weakref
from html import escape

from dualpath_lab.scenario import ScenarioError


class LabApp:
    """The web lab, served beside the kernel on this machine's loopback and shown in the cell; it ends with the kernel.

    Parameters
    ----------
    page : str
        One of ``dashboards.shell.PAGES``; "" is the live page.
    query : str
        What stands behind the ``?`` in the address of such a page: its settings.
    height : int
        Of the cell's output, in CSS pixels.

    Attributes
    ----------
    url : str
        For a tab of its own.
    close : callable
        Stops the server.

    Raises
    ------
    ScenarioError
        If there is no such page, or the server does not start.
    """

    def __init__(self, page: str = "", query: str = "", height: int = 900) -> None:
        from dualpath_lab.dashboards.shell import PAGES  # a second that a notebook without the lab's pages need not wait

        if page not in PAGES:
            raise ScenarioError(f"page = {page!r} is not allowed: it should be one of {', '.join(map(repr, PAGES))}.")
        self.height = height
        command = [sys.executable, "-m", "dualpath_lab", "serve", "--port", "0", "--no-show"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.close = weakref.finalize(self, _end, process)
        self.url = f"{_address_of(process)}/{page}" + (f"?{query.lstrip('?')}" if query else "")

    def _repr_html_(self) -> str:
        return f'<iframe src="{escape(self.url)}" title="DualPath Lab" width="100%" height="{self.height}" style="border: 0"></iframe>'


def _address_of(process: subprocess.Popen[str]) -> str:
    """What the server says once it listens."""
    for line in process.stdout or ():
        _, found, place = line.strip().rpartition("http://")
        if found:
            return f"http://{place}"
    raise ScenarioError("The web lab did not start: `dualpath-lab serve --port 0` says why.")


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate()
