"""The tutorials run from top to bottom, show what they promise, and are light enough to keep in git."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import ipywidgets
import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST_BYTES = 300_000
LARGEST_OUTPUT_BYTES = 100_000
LIGHT_OUTPUTS = {"text/plain", "text/html", "image/png"}

# Assembled from parts, so that this file does not match itself.
MACHINE_PATH = re.compile(rf"(?<![\w.])/(?:{'|'.join(['work', 'tmp', 'root', 'home', 'Users'])})/|\bC:\\")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def syntax(path: Path) -> list[ast.AST]:
    """All nodes of the notebook's code."""
    return [node for cell in code_cells(path) for node in ast.walk(ast.parse(cell.source))]


def output_data(path: Path) -> list[tuple[str, str]]:
    """MIME type and content of every stored output that is not a stream."""
    outputs = [output for cell in code_cells(path) for output in cell.outputs if "data" in output]
    return [(mime, str(content)) for output in outputs for mime, content in output.data.items()]


def test_the_tutorials_begin_with_the_first_run() -> None:
    assert NOTEBOOKS[0].stem == "01_first_run"


@each_notebook
def test_runs_and_its_marked_outputs_agree(path: Path) -> None:
    search_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env", str(path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": search_path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_notebook
def test_is_valid_and_asks_for_no_particular_kernel(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"


@each_notebook
def test_is_stored_as_one_run_without_errors(path: Path) -> None:
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert [output for cell in cells for output in cell.outputs if output.output_type == "error" or output.get("name") == "stderr"] == []


@each_notebook
def test_keeps_no_trace_of_where_and_when_it_ran(path: Path) -> None:
    assert MACHINE_PATH.findall(path.read_text(encoding="utf-8")) == []
    assert "widgets" not in read(path).metadata
    assert [cell.id for cell in code_cells(path) if "execution" in cell.metadata] == []


@each_notebook
def test_is_light(path: Path) -> None:
    assert path.stat().st_size < LARGEST_BYTES
    assert {mime for mime, _ in output_data(path)} <= LIGHT_OUTPUTS
    assert max((len(content) for _, content in output_data(path)), default=0) < LARGEST_OUTPUT_BYTES
    assert [mime for mime, content in output_data(path) if "<script" in content] == []


@each_notebook
def test_offers_a_control(path: Path) -> None:
    used = {getattr(ipywidgets, node.attr, None) for node in syntax(path) if isinstance(node, ast.Attribute)}
    widgets = [widget for widget in used if isinstance(widget, type) and issubclass(widget, ipywidgets.ValueWidget)]
    assert [widget for widget in widgets if widget.class_traits().get("disabled")], "a reader can set no value"


@each_notebook
def test_asserts_what_it_claims(path: Path) -> None:
    assert any(isinstance(node, ast.Assert) for node in syntax(path))


@each_notebook
def test_its_exercise_waits_when_empty_passes_when_solved_and_fails_when_wrong(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("exercise.py")), str(path)],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("faults: []\n"), done.stdout + done.stderr


@each_notebook
def test_its_solution_is_collapsed(path: Path) -> None:
    (solution,) = [cell for cell in code_cells(path) if "solution" in cell.metadata.get("tags", [])]
    assert solution.metadata["jupyter"] == {"source_hidden": True, "outputs_hidden": True}


@each_notebook
def test_commands_in_its_text_exist(path: Path) -> None:
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    for command in re.findall(r"`dualpath-lab ([^`]+)`", text):
        words = shlex.split(command)
        helped = [sys.executable, "-m", "dualpath_lab", words[0], "--help"]
        said = subprocess.run(helped, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert [word for word in words[1:] if word.startswith("--") and word not in said] == [], command


@each_notebook
def test_has_an_output_to_check(path: Path) -> None:
    assert any("# NBVAL_CHECK_OUTPUT" in cell.source for cell in code_cells(path))
