"""The Advisor page without a browser: its answer is the study's own, and what visitors upload is checked and kept to them."""

from __future__ import annotations

import gzip
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dualpath_lab.dashboards.advisor import AdvisorLab
from dualpath_lab.dashboards.advisor_state import ONLINE, AdvisorState
from dualpath_lab.dashboards.jobs import Jobs
from dualpath_lab.dashboards.uploads import MOST_BYTES, MOST_FILES, Uploads
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.advise import advise
from dualpath_lab.studies.advise.report import sections

SMALL = {"agents": 8, "gpus": 16, "seeds": 1}
TRACE = "session,turn,appended,generated\n" + "\n".join(f"s{session},{turn},900,40" for session in range(8) for turn in range(5)) + "\n"


@pytest.fixture(scope="module")
def jobs() -> Iterator[Jobs]:
    jobs = Jobs(processes=2)
    yield jobs
    jobs.close()


@pytest.fixture
def lab(jobs: Jobs) -> Iterator[AdvisorLab]:
    lab = AdvisorLab(AdvisorState(**SMALL), [], jobs)
    yield lab
    lab.stop()


def until(lab: AdvisorLab, done: object) -> None:
    deadline = time.monotonic() + 120
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline
        lab.poll()
        time.sleep(0.05)


def test_the_answer_is_the_studys_own(lab: AdvisorLab) -> None:
    lab.ask()
    assert lab._ask.label == "Cancel"
    until(lab, lambda: lab.advice)
    asked = Scenario().with_values({"model": "qwen-32b", "workload.source": "paper-32k", "workload.agents": 8})
    alone = advise(asked, 16, seeds=1, with_capacity=False, processes=1)
    assert lab.advice is not None
    assert lab.advice.verdict == alone.verdict
    assert lab.advice.found == alone.found
    assert alone.verdict.text in " ".join(str(getattr(part, "object", "")) for part in lab._answer)
    assert len(lab.table()) == len(alone.found.points)
    assert lab._ask.label == "Ask"


def test_agents_a_second_come_after_the_first_answer_and_are_the_studys_own(lab: AdvisorLab) -> None:
    lab.state.param.update(question=ONLINE, slo_ttft_s=1.5, model="ds-27b")
    lab.ask()
    until(lab, lambda: lab.advice)
    assert lab.run is not None
    assert all(choice.agents_per_s is None for choice in lab.advice.choices.values())  # type: ignore[union-attr]
    until(lab, lambda: not lab.run)
    values = {"model": "ds-27b", "workload.source": "paper-32k", "workload.agents": 8, "slo.ttft_s": 1.5}
    alone = advise(Scenario().with_values(values), 16, seeds=1, processes=1)
    assert lab.advice is not None
    assert {name: choice.agents_per_s for name, choice in lab.advice.choices.items()} == {
        name: choice.agents_per_s for name, choice in alone.choices.items()
    }
    assert "-" not in [row[4] for row in sections(lab.advice)[0].rows]


def test_a_budget_that_makes_no_cluster_is_refused_in_a_sentence(lab: AdvisorLab) -> None:
    with pytest.raises(ValueError, match="gpus"):
        lab.state.gpus = 8
    lab.state.model = "llama-70b"
    lab.ask()
    until(lab, lambda: not lab.run)
    assert "its weights take" in lab.message.object
    assert lab.message.visible
    with pytest.raises(ScenarioError, match="no answer"):
        lab.table()


def test_cancel_lets_go_of_the_runs(lab: AdvisorLab) -> None:
    lab.state.agents = 512
    lab.ask()
    lab.cancel()
    assert lab.run is None
    assert "Cancelled" in lab.notice.object


def test_an_uploaded_trace_is_read_chosen_used_and_gone_in_the_end(jobs: Jobs) -> None:
    lab = AdvisorLab(AdvisorState(**SMALL), [], jobs)
    lab.upload("trace", "mine & co.csv.gz", gzip.compress(TRACE.encode()))
    until(lab, lambda: lab.state.source == "mine & co.csv.gz")
    assert "8 sessions, 40 turns" in lab.notice.object
    path = Path(lab.state.scenario().workload.source)
    assert path.read_bytes()
    lab.ask()
    until(lab, lambda: lab.advice)
    shown = " ".join(str(getattr(part, "object", "")) for part in lab._answer)
    assert "(mine &amp; co.csv.gz, 8 agents" in shown
    assert str(path.parent) not in lab.state.to_query() + shown
    lab.stop()
    assert not path.exists()


@pytest.mark.parametrize(
    ("kind", "name", "content", "said"),
    [
        ("trace", "x.csv", b"a,b\n1,2\n", "has an unknown header"),
        ("trace", "x.csv", b"", "is empty"),
        ("config", "x.json", b'{"architectures": ["Nothing"]}', "x.json"),
        ("trace", "big.csv", b"0" * (MOST_BYTES + 1), "at most 20 MB"),
        ("trace", "..", b"0", "is not allowed"),
        ("trace", "long.csv", TRACE.encode() * 600, "long.csv"),
    ],
)
def test_a_bad_file_is_answered_in_a_sentence_that_names_no_place(lab: AdvisorLab, kind: str, name: str, content: bytes, said: str) -> None:
    lab.upload(kind, name, content)  # type: ignore[arg-type]
    until(lab, lambda: lab.message.visible)
    assert said in lab.message.object
    assert tempfile.gettempdir() not in lab.message.object
    assert "dualpath-lab-" not in lab.message.object


def test_a_name_that_is_a_path_stays_in_the_folder() -> None:
    uploads = Uploads()
    try:
        for name in ("../../evil.csv", "C:\\up\\evil.csv", "/etc/evil.csv"):
            path = uploads.take(name, b"0")
            assert path.name == "evil.csv"
            assert Path(uploads._folder.name) in path.parents
        for _ in range(MOST_FILES - 3):
            uploads.take("a.csv", b"0")
        with pytest.raises(ScenarioError, match="one too many"):
            uploads.take("a.csv", b"0")
    finally:
        uploads.close()


def test_links_carry_the_question_and_no_file_of_another_visit() -> None:
    sent, received = AdvisorState(gpus=64, hit_rate=0.9), AdvisorState()
    assert received.take_query(sent.to_query()) == []
    assert (received.gpus, received.hit_rate) == (64, 0.9)
    (problem,) = received.take_query("?workload.source=mine.csv")
    assert "workload.source = 'mine.csv' in the link is not allowed" in problem
