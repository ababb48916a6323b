"""The page's settings: what they may be, how they travel in a link, and what is said when they can't."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import param
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.dashboards.advisor_state import AdvisorState
from dualpath_lab.dashboards.anatomy_state import AnatomyState
from dualpath_lab.dashboards.cluster_state import DATA_FOLDER
from dualpath_lab.dashboards.explore_state import ExploreState
from dualpath_lab.dashboards.lane_state import LaneState
from dualpath_lab.dashboards.linked import LinkedState
from dualpath_lab.dashboards.paper import PaperState
from dualpath_lab.dashboards.ratio import ratio_text
from dualpath_lab.dashboards.state import KEYS, UNITS, LabState, changes
from dualpath_lab.picture.style import duration, step_above, three_digits
from dualpath_lab.scenario import Cluster, keys
from dualpath_lab.theory import theory_summary


def values_of(name: str) -> st.SearchStrategy[object]:
    parameter = LabState.param[name]
    if isinstance(parameter, param.Selector):
        return st.sampled_from(parameter.objects)
    low, high = parameter.bounds
    numbers = st.integers(low, high) if isinstance(parameter, param.Integer) else st.floats(low, high).map(lambda x: float(f"{x:.6g}"))
    inside = numbers.filter(lambda x: low <= x <= high)
    return st.none() | inside if parameter.allow_None else inside


def settings(state: LabState) -> dict[str, object]:
    return {name: getattr(state, name) for name in KEYS}


@given(st.fixed_dictionaries({name: values_of(name) for name in KEYS}))
def test_a_link_carries_every_setting(values: dict[str, object]) -> None:
    sent, received = LabState(**values), LabState()
    assert received.take_query(sent.to_query()) == []
    assert settings(received) == settings(sent)


STATES = (LabState, ExploreState, AnatomyState, AdvisorState, LaneState, PaperState)


@pytest.mark.parametrize("kind", STATES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("text", ["os:system", "/etc/passwd", "../../etc/passwd", "https://elsewhere.example/x", "<script>"])
def test_a_link_can_name_no_code_no_file_and_no_place(kind: type[LinkedState], text: str) -> None:
    """Of no setting of any page. Mutant: a text is taken as it comes."""
    for name, key in kind.KEYS.items():
        state = kind()
        (problem,) = state.take_query(f"?{urlencode({'v': 1, key: text})}")
        assert key in problem
        assert "\n" not in problem
        assert getattr(state, name) == getattr(kind(), name)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
"""A few hundred bytes that stand for 400 million texts."""


@pytest.mark.parametrize("kind", STATES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "text",
    [BOMB, "[a, b]", "{a: b}", "&a [*a]", "!!python/object/apply:os.system [id]", "[" * 10_000, "9" * 5_000, ".nan", ".inf", "x" * 60_000],
)
def test_a_link_costs_no_more_than_a_sentence(kind: type[LinkedState], text: str) -> None:
    """Mutant: what YAML makes of a value is written out in an error."""
    for name, key in kind.KEYS.items():
        state = kind()
        (problem,) = state.take_query(f"?{urlencode({'v': 1, key: text})}")
        assert problem.startswith(f"{key} = ")
        assert len(problem) < 2_000
        assert getattr(state, name) == getattr(kind(), name)


def test_what_a_link_repeats_without_end_is_read_to_a_point() -> None:
    assert len(LabState().take_query("?v=1" + "&none=1" * 10_000)) < 200


def test_a_link_names_every_key_and_its_version() -> None:
    query = LabState().to_query()
    assert query.startswith("?v=1&")
    assert all(f"&{key}=" in query for key in KEYS.values())


def test_settings_that_a_scenario_has_bear_the_scenarios_name() -> None:
    own = {"system_a", "system_b", "speed"}
    assert set(KEYS.values()) - own <= set(keys())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "?cluster.prefill_nodes=0",
            "cluster.prefill_nodes = '0' in the link is not allowed: it should be a whole number from 1 to 12 nodes.",
        ),
        ("?cluster.prefill_nodes=2.5", "cluster.prefill_nodes = '2.5'"),
        ("?cluster.prefill_nodes=true", "cluster.prefill_nodes = 'true'"),
        ("?cluster.storage_gbps=fast", "cluster.storage_gbps = 'fast'"),
        ("?cluster.storage_gbps=.nan", "cluster.storage_gbps = '.nan'"),
        ("?workload.hit_rate=1.5", "a number from 0 to 1 or null"),
        ("?workload.agents=null", "workload.agents = 'null'"),
        ("?workload.source=[", "workload.source = '['"),
        ("?workload.source=/etc/passwd", "one of paper-32k, paper-48k, paper-64k"),
        ("?system_a=basik", "one of basic"),
        ("?system_b=os:system", "one of basic"),
        ("?system_b=antigravity:Policy", "one of basic"),
        ("?model=", "model = ''"),
        ("?cluster.prefil_nodes=2", "did you mean 'cluster.prefill_nodes'?"),
        ("?zzz=1", "'zzz' is unknown."),
        ("?v=9", "version '9'"),
    ],
)
def test_what_a_link_gets_wrong_is_said_in_a_sentence_and_left_out(query: str, said: str) -> None:
    state = LabState()
    (problem,) = state.take_query(query)
    assert said in problem
    assert problem.endswith((".", "?"))
    assert settings(state) == settings(LabState())


def test_what_is_right_in_a_link_is_taken_over_beside_what_is_wrong() -> None:
    state = LabState()
    assert len(state.take_query("?cluster.decode_nodes=5&cluster.prefill_nodes=-1")) == 1
    assert state.decode_nodes == 5


def test_the_theme_in_a_link_is_the_pages_own_matter() -> None:
    assert LabState().take_query("?theme=dark") == []


@pytest.mark.parametrize("name", KEYS)
def test_every_control_explains_itself(name: str) -> None:
    parameter = LabState.param[name]
    assert parameter.label
    assert parameter.doc.endswith(".")
    if isinstance(parameter, param.Number):
        assert name in UNITS or name in ("hit_rate", "model_share"), "a share has no unit"
        assert None not in parameter.bounds


def test_both_scenarios_are_alike_but_for_the_system() -> None:
    a, b = LabState(prefill_nodes=3, arrival_rate=0.5, hit_rate=0.9).scenarios()
    assert (a.system, b.system) == ("basic", "dualpath")
    assert a.with_values({"system": "dualpath"}) == b
    assert (b.cluster.prefill_nodes, b.workload.arrival_rate, b.workload.hit_rate) == (3, 0.5, 0.9)


def test_recorded_traces_are_offered_by_name_and_what_is_no_trace_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = "session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s"
    (tmp_path / "mine.csv").write_text(f"{header}\ns,0,100,10,0,\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    monkeypatch.setenv(DATA_FOLDER, str(tmp_path))
    state = LabState()
    assert state.param["source"].objects[-1] == "mine.csv"
    assert "other.csv" not in state.param["source"].objects
    state.source = "mine.csv"
    assert state.scenarios()[0].workload.source == str(tmp_path / "mine.csv")
    assert str(tmp_path) not in state.to_query()


def test_changes_name_old_and_new() -> None:
    state = LabState()
    before = settings(state)
    state.param.update(prefill_nodes=4, hit_rate=0.5)
    assert changes(before, state) == "Prefill nodes P 1 → 4, Hit rate null → 0.5"


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([25, 200, 400, 800, 1600]), st.sampled_from([50, 100, 400, 1600]))
def test_the_ratio_chokes_where_the_closed_form_says_so(prefill: int, decode: int, storage: float, compute: float) -> None:
    cluster = Cluster(prefill_nodes=prefill, decode_nodes=decode, storage_gbps=storage, compute_gbps=compute)
    text, theory = ratio_text(cluster), theory_summary(cluster)
    assert ("choke" in text) is not theory["holds"]
    if not theory["holds"]:
        side, what = theory["limited_by"].split(" ")[:2]
        assert {"PE": "prefill", "DE": "decode"}[side] + f" {what}" in text


@given(st.floats(1e-6, 1e9))
def test_three_digits_are_three_digits(value: float) -> None:
    text = three_digits(value)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.005)
    digits = text.replace(",", "").replace(".", "").lstrip("0")
    assert len(digits) >= 3


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0123, "12.3 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (1932.1, "1,930 s"), (float("nan"), "–")]
)
def test_durations_are_in_ms_below_a_second(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(1e-3, 1e6))
def test_axes_end_no_lower_than_what_they_show_and_not_twice_as_high(value: float) -> None:
    assert value <= step_above(value) * (1 + 1e-9)
    assert step_above(value) <= 2 * value


def test_going_to_a_link_sets_what_it_does_not_name_to_the_default() -> None:
    state = LabState(decode_nodes=5, hit_rate=0.5)
    assert state.go_to("?cluster.decode_nodes=3") == []
    assert settings(state) == settings(LabState(decode_nodes=3))
    (problem,) = state.go_to("?model=nothing")
    assert "model = 'nothing'" in problem
    assert settings(state) == settings(LabState())


def test_no_page_imports_what_a_link_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy by name runs its module; only Python and the command line may ask for that."""
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"{name} was imported"))
    for state, key in ((LabState(), "system_a"), (LabState(), "system_b"), (ExploreState(), "system_b"), (AnatomyState(), "system")):
        (problem,) = state.take_query(f"?{key}=antigravity:Policy")
        assert "in the link is not allowed: it should be one of basic" in problem
        with pytest.raises(ValueError, match="antigravity"):
            state.param.update({key: "antigravity:Policy"})
