"""``dualpath-lab advise``: the keys that others rely on, reports that are whole, and questions that make no sense."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dualpath_lab.cli import main
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.advise import online


class _Fetched(HTMLParser):
    """What a browser would fetch for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]


SMALL = [
    *("--set=model=ds-27b", "--set=cluster.gpus_per_node=1", "--set=cluster.storage_gbps=20"),
    *("--set=workload.source=paper-32k", "--set=workload.agents=4", "--seeds=1", "--processes=1", "--systems=basic,dualpath"),
]


def test_json_has_the_promised_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--gpus=3", *SMALL, "--no-capacity", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    best = answer["best"]
    assert best["prefill_nodes"] + best["decode_nodes"] == 3
    assert best["system"] in answer["systems"]
    assert set(answer["systems"]) == {"basic", "dualpath"}
    assert answer["bottleneck"]
    assert {(point["system"], point["prefill_nodes"]) for point in answer["points"]} == {(s, p) for s in answer["systems"] for p in (1, 2)}


def test_every_point_comes_as_csv(capsys: pytest.CaptureFixture[str]) -> None:
    """Mutant: the best of each system only."""
    assert main(["advise", "--gpus=3", *SMALL, "--no-capacity", "--format=csv"]) == 0
    records = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {(record["system"], record["prefill_nodes"]) for record in records} == {(s, p) for s in ("basic", "dualpath") for p in "12"}
    assert all(float(record["jct_s"]) > 0 for record in records)


def test_seeds_may_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The first finds the P:D, as with that seed alone. Mutant: counted from the scenario's own."""
    assert main(["advise", "--gpus=3", *SMALL, "--seeds=4,", "--no-capacity", "--json"]) == 0
    named = json.loads(capsys.readouterr().out)
    assert main(["advise", "--gpus=3", *SMALL, "--set=seed=4", "--no-capacity", "--json"]) == 0
    assert named == json.loads(capsys.readouterr().out)
    assert named["scenario"]["seed"] == 4


def test_the_objective_goes_into_the_search_for_capacity(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutants: the objective is dropped; TTFT and TPOT swapped; one system's capacity for all."""
    seen = []

    def known(scenario: Scenario, low: float, high: float, **_: object) -> tuple[float, list[object]]:
        seen.append((scenario.slo.ttft_s, scenario.slo.tpot_s))
        assert 0 < low < high
        return {"basic": 0.5, "dualpath": 0.9}[scenario.system], []

    monkeypatch.setattr(online, "capacity", known)
    assert main(["advise", "--gpus=2", *SMALL, "--slo-ttft=1.5", "--slo-tpot=0.02", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert seen == [(1.5, 0.02)] * 2
    assert {name: system["capacity_agents_per_s"]["mean"] for name, system in answer["systems"].items()} == {"basic": 0.5, "dualpath": 0.9}
    assert answer["best"]["system"] == "dualpath"


@pytest.mark.parametrize("name", ["advice.md", "advice.html"])
def test_a_report_says_what_the_answer_says_and_needs_nothing_else(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    assert main(["advise", "--gpus=2", *SMALL, "--no-capacity", "--json", f"--report={path}"]) == 0
    answer, text = json.loads(capsys.readouterr().out), path.read_text(encoding="utf-8")
    assert answer["verdict"] in text
    assert [child.name for child in tmp_path.iterdir()] == [name]
    if name.endswith("html"):
        fetched = _Fetched()
        fetched.feed(text)
        assert not fetched.addresses


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--gpus=0"], "--gpus"),
        (["--gpus=9", "--set=cluster.gpus_per_node=8"], "gpus = 9"),
        (["--gpus=16", "--slo-ttft=-1"], "slo.ttft_s"),
        (["--gpus=16", "--systems=basic"], "systems = 'basic'"),
        (["--gpus=16", "--report=advice.pdf"], "--report"),
        ([], "--gpus"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", *arguments]) == 2
    told = capsys.readouterr()
    assert named in told.err
    assert told.err.count("\n") == 1
    assert not told.out
