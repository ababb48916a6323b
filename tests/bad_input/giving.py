"""A case of bad input, and the ways by which one comes in."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dualpath_lab import Scenario, simulate
from dualpath_lab.cli import main
from dualpath_lab.dashboards.linked import LinkedState
from dualpath_lab.dashboards.uploads import CheckTask, Uploads
from dualpath_lab.hardware import load_hardware
from dualpath_lab.models import load_model
from dualpath_lab.scenario import ScenarioError, load_scenario
from dualpath_lab.studies.sweep import make_plan
from dualpath_lab.workload import read_trace

PLAIN = "session,turn,appended,generated,gap_s\n"
LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 100,
    "num_key_value_heads": 4,
    "torch_dtype": "bfloat16",
}
H200 = {"name": "mine", "attention_tflops": 300, "linear_tflops": 400, "hbm_gbytes_per_s": 4800, "hbm_gbytes": 141}
MEASURED = "prompt,cached,batch,ttft_s,tpot_s\n"

Answer = Callable[[Path], str]
"""Gives the input, with a folder for its files, and returns the sentence."""


@dataclass(frozen=True)
class Case:
    """One kind of bad input.

    Attributes
    ----------
    way : str
        How it comes in.
    given : str
        The input, as the table shows it.
    words : tuple of str
        What the sentence has to name.
    answer : callable
    """

    way: str
    given: str
    words: tuple[str, ...]
    answer: Answer


def refused(call: Callable[[], object]) -> str:
    """The sentence of the error that a call raises."""
    try:
        call()
    except ScenarioError as error:
        return str(error)
    raise AssertionError("it was taken")


def command_line(given: str, *words: str, files: dict[str, str] | None = None) -> Case:
    def answer(folder: Path) -> str:
        for name, text in (files or {}).items():
            (folder / name).write_text(text, encoding="utf-8")
        before = sorted(folder.iterdir())
        arguments = [part.replace("FOLDER", str(folder)) for part in given.split()]
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(arguments)
        assert (code, out.getvalue()) == (2, "")
        assert sorted(folder.iterdir()) == before
        return err.getvalue().removesuffix("\n")

    return Case("Command line", f"dualpath-lab {given}".replace("FOLDER/", ""), words, answer)


def file(way: str, name: str, content: str | bytes, read: Callable[[Path], object], words: tuple[str, ...], shown: str = "") -> Case:
    def answer(folder: Path) -> str:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return refused(lambda: read(path))

    return Case(way, shown or str(content), words, answer)


def scenario_file(text: str, *words: str) -> Case:
    return file("Scenario file", "scenario.yaml", text, load_scenario, words)


def sweep_file(text: str, *words: str) -> Case:
    return file("Sweep file", "sweep.yaml", text, make_plan, words)


def trace(content: str | bytes, *words: str, name: str = "trace.csv", shown: str = "") -> Case:
    return file("Trace file", name, content, read_trace, words, shown)


def config(values: Any, *words: str, shown: str = "") -> Case:
    text = values if isinstance(values, str) else json.dumps(values)
    return file("Model config", "config.json", text, lambda path: load_model(str(path)), words, shown or text)


def llama(field: str, value: Any, *words: str) -> Case:
    """A config that is right but for one field."""
    return config(LLAMA | {field: value}, *words, shown=f"of a small llama with {json.dumps({field: value})}")


def hardware(values: dict[str, Any], *words: str) -> Case:
    return file("Hardware file", "mine.yaml", yaml.safe_dump(values), lambda path: load_hardware(str(path)), words)


def measurements(text: str, *words: str) -> Case:
    case = command_line("calibrate FOLDER/measurements.csv --out FOLDER/mine.yaml", *words, files={"measurements.csv": text})
    return Case("Measurements", text, words, case.answer)


def link(page: str, query: str, kind: type[LinkedState], *words: str) -> Case:
    def answer(_: Path) -> str:
        state = kind()
        problems = state.take_query(query)
        assert state.to_query() == kind().to_query(), "something of it was taken"
        return " ".join(problems)

    return Case("Link to a page", f"/{page}{query}", words, answer)


def upload(given: str, name: str, content: bytes, *words: str) -> Case:
    def answer(_: Path) -> str:
        uploads = Uploads()
        try:
            path = uploads.take(name, content)
            row = CheckTask(path, "config" if name.endswith(".json") else "trace").run(lambda _: None)
            return str(row["error"])
        except ScenarioError as error:
            return str(error)
        finally:
            uploads.close()

    return Case("Upload on the Advisor page", given, words, answer)


def policy(given: str, kind: type, *words: str) -> Case:
    return Case("Policy", given, words, lambda _: refused(lambda: simulate(SMALL.with_values({"system": kind}))))


def python(given: str, call: Callable[[], object], *words: str) -> Case:
    return Case("Python", given, words, lambda _: refused(call))


SMALL = Scenario().with_values(
    {
        "model": "ds-27b",
        "cluster.prefill_nodes": 1,
        "cluster.decode_nodes": 1,
        "cluster.gpus_per_node": 2,
        "workload.source": "paper-32k",
        "workload.agents": 2,
    }
)
