"""Try a tutorial's exercise as it is, with wrong answers and with its solution, as ``python exercise.py notebook.ipynb``.

The cells ``exercise``, ``check`` and ``solution`` carry these tags, in this order. ``check`` asks about the student's names; ``solution``
asks the same ``check`` about names of its own. Wrong answers stand in ``wrong_answers.py``.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import nbformat
from wrong_answers import WRONG


def run(path: Path) -> list[str]:
    """What the exercise does wrong."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    tagged = {tag: next(cell.source for cell in cells if tag in cell.metadata.get("tags", [])) for tag in ("exercise", "check", "solution")}
    student: dict[str, Any] = vars(sys.modules["__main__"])

    def execute(source: str) -> str:
        said = StringIO()
        with redirect_stdout(said):
            exec(compile(source, path.name, "exec"), student)
        return said.getvalue()

    for cell in cells[: next(place for place, cell in enumerate(cells) if cell.source == tagged["exercise"])]:
        execute(cell.source)
    faults = []
    before = set(student)
    execute(tagged["exercise"])
    answers = {name: student[name] for name in set(student) - before}
    if not execute(tagged["check"]).startswith("Not yet"):
        faults.append("the untouched exercise is not told from an answer")
    if "Right" not in execute(tagged["solution"]):
        faults.append("the solution is not right")
    if any(student[name] is not answer for name, answer in answers.items()):
        faults.append("the solution overwrites the answer")
    for wrong in WRONG[path.stem]:
        execute(wrong)
        try:
            execute(tagged["check"])
        except AssertionError:
            continue
        faults.append(f"this passes: {wrong}")
    return faults


if __name__ == "__main__":
    vars()["display"] = print
    print("faults:", run(Path(sys.argv[1])))
