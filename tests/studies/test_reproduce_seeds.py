"""Several seeds: what becomes of a number, of a statement and of their errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.studies.reproduce import Job, Row, as_markdown, reproduce
from dualpath_lab.studies.reproduce.report import compared

JOB = Job("run", ())


def row(published: Any, simulate: Any = lambda done: done[JOB]["jct_s"], detail: Any = None) -> Row:
    return Row("A", "what", published, "predict", "printed", (JOB,), simulate, detail)


def done(*values_s: float) -> Any:
    return {seed: {JOB: {"jct_s": value}} for seed, value in enumerate(values_s)}


@given(values_s=st.lists(st.floats(0.1, 100), min_size=2, max_size=5), published=st.floats(0.1, 100))
def test_a_number_is_the_mean_and_its_error_is_the_means(values_s: list[float], published: float) -> None:
    """Closed form. Mutant: the median, the first seed's, the mean of the errors' sizes."""
    made = compared(row(published), done(*values_s))
    mean = sum(values_s) / len(values_s)
    assert made["simulated"] == pytest.approx(mean)
    assert made["relative_error"] == pytest.approx(mean / published - 1, abs=1e-9)
    assert made["spread"] == [min(values_s), max(values_s)]
    assert made["seeds"] == {str(seed): value for seed, value in enumerate(values_s)}


@pytest.mark.parametrize(("values_s", "holds"), [((1, 2, 3), True), ((1, 9, 1), False), ((9, 9), False)])
def test_a_statement_holds_if_it_holds_for_every_seed(values_s: tuple[float, ...], holds: bool) -> None:
    """Mutant: for any seed, or for most."""
    made = compared(row("holds", lambda done: done[JOB]["jct_s"] < 5), done(*values_s))
    assert made["simulated"] is holds
    assert (made["relative_error"], made["spread"]) == (None, None)
    assert list(made["seeds"].values()) == [value < 5 for value in values_s]


def test_one_seed_says_nothing_of_seeds() -> None:
    """Interface. Mutant: a spread of nothing, a number that the mean has changed."""
    made = compared(row(1.0), done(0.1 + 0.2))
    assert list(made) == ["row", "what", "published", "simulated", "relative_error", "use", "kind"]
    assert made["simulated"] == 0.1 + 0.2


def test_numbers_behind_a_row_are_means_as_well() -> None:
    """Mutant: the last seed's."""
    made = compared(row((0.0, 10.0), detail=lambda done: {"per_s": 2 * done[JOB]["jct_s"]}), done(1, 3))
    assert made["detail"] == {"per_s": 4}
    assert "Behind A: per s 4." in as_markdown([made])


def test_every_job_is_run_once_with_each_seed(runs: Any) -> None:
    """Mutant: some rows with the first seed only; a seed's outcome in another's place."""
    one = reproduce(["A1", "B4"], seeds=(4,))
    runs.count.clear()
    runs.seeds.clear()
    several = reproduce(["A1", "B4"], seeds=(4, 5, 9))
    assert set(runs.count.values()) == {3}
    assert set(runs.seeds) == {4, 5, 9}
    assert len(set(runs.seeds.values())) == 1
    assert [list(row["seeds"]) for row in several] == [["4", "5", "9"]] * 4
    assert [row["simulated"] for row in several] == pytest.approx([row["simulated"] for row in one])


def test_the_table_has_a_column_for_the_spread_where_there_is_one() -> None:
    """Mutant: a column for one seed, or in some lines only."""
    several = [compared(row(2.0), done(1, 2)), compared(row("holds", lambda done: done[JOB]["jct_s"] < 2), done(1, 2))]
    lines = as_markdown(several).splitlines()
    assert "| spread over seeds |" in lines[0]
    assert [line.count("|") for line in lines[:4]] == [9] * 4
    assert "| 1 to 2 |" in lines[2]
    assert "| holds for 1 of 2 |" in lines[3]
    assert "seeds" not in as_markdown([compared(row(2.0), done(1))])
