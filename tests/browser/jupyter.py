"""A real JupyterLab that touches nothing of its user's, and a notebook open in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from .conftest import free_port, wait_for

RUN_S = 180.0
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # else cells that are out of sight are not there
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@contextmanager
def jupyter_lab(notebooks: Path, home: Path) -> Iterator[str]:
    """Address of a JupyterLab over a folder of notebooks; all that it keeps for itself goes into ``home``."""
    for name, values in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    folders = {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    port = free_port()
    url = f"http://localhost:{port}"
    options = [f"--ServerApp.root_dir={notebooks}", f"--port={port}", "--IdentityProvider.token=", "--no-browser", "--allow-root"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=os.environ | {name: str(home / folder) for name, folder in folders.items()},
            cwd=notebooks,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(f"{url}/api/status", process)
            yield url
        finally:
            process.terminate()
            process.wait(20)


class Notebook:
    """A notebook in a page."""

    def __init__(self, page: Page, url: str, name: str) -> None:
        self.page = page
        page.goto(f"{url}/lab/workspaces/auto-x/tree/{name}?reset")
        self.root = page.locator(".jp-Notebook:visible")
        expect(self.root.locator(".jp-CodeCell").first).to_be_visible(timeout=60_000)
        self._idle()

    def run_all(self) -> None:
        """Run every cell, and wait for the last one that is not collapsed, and for those after it."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        every = self.page.get_by_role("menuitem", name=re.compile("^Run All Cells"))
        every.hover()  # a menu takes a click only where the pointer has been seen
        every.click()
        last = self.root.locator(".jp-CodeCell .jp-InputPrompt:not(.jp-Placeholder-prompt)").last
        expect(last).to_have_text(re.compile(r"\[\d+\]"), timeout=RUN_S * 1e3)
        self._idle()

    def outputs(self, index: int) -> Locator:
        """What a code cell shows."""
        return self.root.locator(".jp-CodeCell").nth(index).locator(".jp-Cell-outputArea")

    def errors(self) -> list[str]:
        """What failed."""
        return self.root.locator(
            "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"
        ).all_inner_texts()

    def _idle(self) -> None:
        expect(self.page.locator("#jp-main-statusbar").get_by_text(re.compile(r"\| Idle$"))).to_be_visible(timeout=60_000)
