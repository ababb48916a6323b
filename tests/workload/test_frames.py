"""A table in memory is read as the same table in a file is, and what is wrong in it is told by its row."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab import Scenario, ScenarioError, Workload, compare, simulate
from dualpath_lab.workload import read_trace
from dualpath_lab.workload.trajectories import Workload as Trajectories

TURNS = st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 500), st.floats(0, 100)), min_size=1, max_size=4)
SMALL = Scenario().with_values({"model": "ds-27b", "cluster.gpus_per_node": 2, "workload.agents": 3, "workload.tool_gap_s": None})


def frame_of(sessions: list[list[tuple[int, int, float]]]) -> pd.DataFrame:
    rows = [
        (f"s{number}", turn, appended, generated, gap_s)
        for number, turns in enumerate(sessions)
        for turn, (appended, generated, gap_s) in enumerate(turns)
    ]
    return pd.DataFrame(rows, columns=["session", "turn", "appended", "generated", "gap_s"])


def same(one: Trajectories, other: Trajectories) -> bool:
    names = ("first_turn", "context", "append", "generate", "gap_s")
    return one.max_tokens == other.max_tokens and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@given(sessions=st.lists(TURNS, min_size=1, max_size=4), seed=st.integers(0, 99))
def test_it_is_what_the_file_is(tmp_path_factory: pytest.TempPathFactory, sessions: list[Any], seed: int) -> None:
    """The same, from Parquet and from rows in another order. Mutant: rows are taken as they come; a column is left out."""
    frame = frame_of(sessions)
    path = tmp_path_factory.mktemp("frames") / "mine.parquet"
    frame.to_parquet(path, index=False)
    made = Workload.from_frame(frame)
    assert same(made, read_trace(path))
    shuffled = frame.sample(frac=1, random_state=seed)
    first_seen = list(dict.fromkeys(shuffled["session"]))
    assert same(Workload.from_frame(shuffled), Workload.from_frame(frame.set_index("session").loc[first_seen].reset_index()))


def test_context_is_what_turns_before_left_unless_it_is_given() -> None:
    """Closed form, by hand. Mutant: the answer does not count; an edit is overlooked."""
    frame = pd.DataFrame({"session": [7, 7, 7], "turn": [0, 1, 2], "appended": [100, 20, 30], "generated": [5, 6, 7]})
    assert Workload.from_frame(frame).context.tolist() == [0, 105, 131]
    assert Workload.from_frame(frame.assign(context=[0, 64, 90])).context.tolist() == [0, 64, 90]
    assert same(Workload.from_frame({name: list(frame[name]) for name in frame}), Workload.from_frame(frame))


def test_missing_pauses_are_none_and_whole_floats_are_counts() -> None:
    """What pandas makes of a column with a hole. Mutant: a traceback; 100.0 is refused."""
    frame = pd.DataFrame({"session": ["a", "a"], "turn": [0, 1], "appended": [100.0, 20.0], "generated": [5, 6], "gap_s": [None, 2.5]})
    made = Workload.from_frame(frame)
    assert (made.append.tolist(), made.gap_s.tolist()) == ([100, 20], [0.0, 2.5])
    for missing in (np.nan, pd.NA, None):
        assert Workload.from_frame(frame.assign(gap_s=pd.Series([0.0, missing], dtype=object))).gap_s.tolist() == [0.0, 0.0]


def test_a_run_of_it_is_the_run_of_the_file(tmp_path: Path) -> None:
    """All but the name of the source. Mutant: agents, seed or pauses are left out; a paper source runs in its place."""
    frame = frame_of([[(5000, 50, 0.0), (300, 40, 3.0)], [(900, 10, 0.0)], [(20, 5, 0.0), (50, 6, 1.0)], [(77, 9, 0.0)]])
    path = tmp_path / "mine.csv"
    frame.to_csv(path, index=False)
    given_frame = simulate(SMALL, workload=Workload.from_frame(frame, "mine"))
    given_file = simulate(SMALL.with_values({"workload.source": str(path)}))
    assert given_frame.values["scenario"]["workload"].pop("source") == "in memory: mine"
    del given_file.values["scenario"]["workload"]["source"]
    assert {**given_frame.values, "wall_s": 0} == {**given_file.values, "wall_s": 0}
    race = compare(SMALL, ["basic", "dualpath"], seeds=2, workload=Workload.from_frame(frame, "mine"))
    assert race.runs["dualpath"].values["jct_s"] == given_frame.values["jct_s"]
    assert {run.values["scenario"]["workload"]["source"] for runs in race.seed_runs.values() for run in runs} == {"in memory: mine"}


GOOD: dict[str, list[Any]] = {"session": ["a", "a"], "turn": [0, 1], "appended": [10, 20], "generated": [1, 2]}
BAD: list[tuple[Any, list[str]]] = [
    (3, ["frame = 3", "DataFrame"]),
    ([1, 2], ["DataFrame"]),
    ({}, ["columns []", "session, turn, appended, generated", "gap_s and context"]),
    ({"session": ["a"], "turn": [0], "appended": [1]}, ["generated"]),
    (GOOD | {"delay": [0, 1]}, ["unknown column 'delay'", "gap_s"]),
    (GOOD | {"appended": [10, -1]}, ["row 2", "appended = -1", "whole number"]),
    (GOOD | {"appended": [10, 1.5]}, ["row 2", "appended = 1.5"]),
    (GOOD | {"appended": [10, float("nan")]}, ["row 2", "appended = nan"]),
    (GOOD | {"appended": [10, True]}, ["row 2", "appended = True"]),
    (GOOD | {"appended": [10, None]}, ["row 2", "appended = None"]),
    (GOOD | {"generated": ["x", 1]}, ["row 1", "generated = 'x'"]),
    (GOOD | {"turn": [0, 2]}, ["row 2", "turn = 2", "1"]),
    (GOOD | {"turn": [0, 0]}, ["turn = 0"]),
    (GOOD | {"session": ["a", ""]}, ["row 2", "session = ''"]),
    (GOOD | {"session": ["a", None]}, ["row 2", "session = None"]),
    (GOOD | {"session": ["a", 1.5]}, ["row 2", "session = 1.5"]),
    (GOOD | {"gap_s": [0, -1]}, ["row 2", "gap_s = -1"]),
    (GOOD | {"gap_s": [0, float("inf")]}, ["row 2", "gap_s = inf"]),
    (GOOD | {"gap_s": [0, "soon"]}, ["row 2", "gap_s = 'soon'"]),
    (GOOD | {"context": [0, 12]}, ["row 2", "context = 12", "at most 11"]),
    (GOOD | {"appended": [0, 1]}, ["row 1", "appended = 0", "at least 1"]),
    (GOOD | {"appended": [10, 10**5000]}, ["row 2", "appended = an integer of 16,610 bits"]),
    (GOOD | {"session": ["a", -(10**5000)]}, ["row 2", "session = an integer of 16,610 bits"]),
    (GOOD | {"appended": [10, Fraction(10**400)]}, ["row 2", "appended = Fraction"]),
    ({name: [] for name in GOOD}, ["0 rows", "at least one"]),
    (GOOD | {"turn": [0]}, ["1 and 2 rows"]),
]


@pytest.mark.parametrize(("frame", "words"), BAD, ids=[" ".join(words) for _, words in BAD])
def test_what_is_wrong_is_one_sentence(frame: Any, words: list[str]) -> None:
    with pytest.raises(ScenarioError) as error:
        Workload.from_frame(frame, "mine")
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


ANYTHING = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=2) | st.dates() | st.decimals()
)


@given(frame=st.dictionaries(st.sampled_from([*GOOD, "gap_s", "context"]), st.lists(ANYTHING, min_size=2, max_size=2)))
def test_whatever_stands_in_it_is_taken_or_told(frame: dict[str, list[Any]]) -> None:
    """Mutant: a kind of value that ends in a traceback."""
    for given_frame in (GOOD | frame, pd.DataFrame(GOOD | frame)):
        with suppress(ScenarioError):
            assert Workload.from_frame(given_frame).turns == 2


def test_a_column_named_twice_is_refused() -> None:
    twice = pd.concat([pd.DataFrame(GOOD), pd.DataFrame({"turn": [0, 1]})], axis=1)
    with pytest.raises(ScenarioError, match="'turn' twice"):
        Workload.from_frame(twice)
