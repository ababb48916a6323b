"""Run tutorials and store them as they are read on a code-hosting site: ``python -m tests.browser.store_notebooks notebooks/*.ipynb``.

Text and tables are stored as they are. What only a browser can show, a figure or a widget, is stored as the picture that a real JupyterLab
makes of it.
"""

from __future__ import annotations

import base64
import shutil
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image, ImageChops
from playwright.sync_api import Locator, sync_playwright

from .conftest import ARGUMENTS
from .jupyter import Notebook, jupyter_lab

COLOURS = 96
"""Of a stored picture; more would make it larger and no clearer."""
LIGHT = {"text/plain", "text/markdown"}


def store(paths: list[Path]) -> None:
    """Run each notebook, once for its text and once for its pictures."""
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        drawn = [index for index, cell in enumerate(code) if any(is_drawn(output) for output in cell.outputs)]
        pictures = pictures_of(path, drawn)
        for index, cell in enumerate(code):
            cell.metadata = {key: value for key, value in cell.metadata.items() if key in ("tags", "jupyter")}
            cell.outputs = kept(cell.outputs, pictures.get(index))
        notebook.metadata = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB, {len(pictures)} pictures", flush=True)


def is_drawn(output: NotebookNode) -> bool:
    """Whether it is more than text."""
    return output.output_type == "execute_result" and not is_table(output) and not set(output.data) <= LIGHT


def is_table(output: NotebookNode) -> bool:
    """Whether it is HTML without code, which any site shows."""
    return set(output.data) == {"text/plain", "text/html"} and "<script" not in output.data["text/html"]


def pictures_of(path: Path, indices: list[int]) -> dict[int, str]:
    """What some code cells show, as PNG in base64."""
    if not indices:
        return {}
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        home, notebooks = Path(folder) / "home", Path(folder) / "notebooks"
        home.mkdir()
        notebooks.mkdir()
        shutil.copy(path, notebooks)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        with jupyter_lab(notebooks, home) as url:
            page = browser.new_page(viewport={"width": 1180, "height": 1400})
            notebook = Notebook(page, url, path.name)
            page.keyboard.press("Control+b")  # the list of files goes away
            notebook.run_all()
            page.wait_for_timeout(3000)
            found = {
                index: picture(notebook.outputs(index).locator(".jp-OutputArea-executeResult .jp-OutputArea-output").first)
                for index in indices
            }
        browser.close()
    return found


def picture(output: Locator) -> str:
    """A screenshot without the empty space around it."""
    output.scroll_into_view_if_needed()
    image = Image.open(BytesIO(output.screenshot())).convert("RGB")
    empty = Image.new("RGB", image.size, "white")
    left, top, right, bottom = ImageChops.difference(image, empty).getbbox() or (0, 0, *image.size)
    cut = image.crop((max(left - 8, 0), max(top - 8, 0), min(right + 8, image.width), min(bottom + 8, image.height)))
    buffer = BytesIO()
    cut.quantize(COLOURS).save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def kept(outputs: list[NotebookNode], png: str | None) -> list[NotebookNode]:
    """What of a cell's outputs is stored."""
    stored = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stdout":
            stored.append(output)
        elif output.output_type == "execute_result":
            if is_drawn(output):
                output.data = {"text/plain": "a figure", "image/png": png}
            output.metadata = {}
            stored.append(output)
    return stored


if __name__ == "__main__":
    store([Path(name) for name in sys.argv[1:]])
