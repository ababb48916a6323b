"""Run a tutorial's exercise without its solution and with it, as ``python exercise.py notebook.ipynb``; says what became of both.

Cells that the exercise builds on carry the tag ``setup``; then there are ``exercise``, ``solution`` and ``check``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat


def run(path: Path) -> str:
    """``empty form fails, solution passes`` is how it should be."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]

    def execute(tag: str) -> None:
        for cell in cells:
            if tag in cell.metadata.get("tags", []):
                exec(compile(cell.source, f"{path.name}:{cell.id}", "exec"), vars(sys.modules["__main__"]))

    execute("setup")
    execute("exercise")
    try:
        execute("check")
        before = "passes"
    except Exception:  # an empty form may fail in whatever way
        before = "fails"
    execute("solution")
    execute("check")
    return f"empty form {before}, solution passes"


if __name__ == "__main__":
    vars()["display"] = print
    print(run(Path(sys.argv[1])))
