"""A published result, and the way from runs to our number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dualpath_lab.studies.reproduce.jobs import Job, Outcomes
from dualpath_lab.studies.reproduce.runs import jct, jct_ratio

Use = Literal["calibrate", "predict"]
Published = float | str | tuple[float, float]

PublishedAs = Literal["printed", "read", "inferred"]

READ_ERROR = 0.03
"""Relative error of a value that was read off a printed figure."""

HOLDS = "holds"
"""What is published of a statement."""


@dataclass(frozen=True)
class Row:
    """A published result and the way to ours.

    Parameters
    ----------
    row, what : str
        Its number in the reference, with a name behind a dot where there are several (``B2.basic``), and what it is.
    published : float, str or pair of float
        A number; a statement that must hold; or a range in which ours must lie.
    use : {"calibrate", "predict"}
        Whether a constant was fitted on it.
    kind : {"printed", "read", "inferred"}
        Whether it is printed; was read off a figure; or is printed without saying of what, which was inferred.
    jobs : tuple of Job
        The runs that our number is made from.
    simulate : callable
        From their outcomes to our number, or to whether the statement holds.
    detail : callable, optional
        From their outcomes to the numbers behind ours, by name.
    beside : tuple of Job, optional
        Runs that only ``detail`` and the figures look at.
    """

    row: str
    what: str
    published: Published
    use: Use
    kind: PublishedAs
    jobs: tuple[Job, ...]
    simulate: Callable[[Outcomes], float | bool]
    detail: Callable[[Outcomes], dict[str, float]] | None = None
    beside: tuple[Job, ...] = ()

    @property
    def needs(self) -> tuple[Job, ...]:
        """All runs."""
        return self.jobs + self.beside

    @property
    def number(self) -> str:
        """In the reference."""
        return self.row.partition(".")[0]


def jct_row(row: str, what: str, published: float, job: Job, use: Use = "predict", kind: PublishedAs = "read") -> Row:
    """A row about the JCT of one run."""
    return Row(row, f"{what}: JCT, s", published, use, kind, (job,), lambda done: jct(done, job))


def ratio_row(
    row: str, what: str, published: Published, pairs: Sequence[tuple[Job, Job]], pick: Any = max, kind: PublishedAs = "printed"
) -> Row:
    """A prediction about JCT over JCT: the largest, or whatever ``pick`` makes of them."""
    jobs = tuple(job for pair in pairs for job in pair)
    return Row(row, what, published, "predict", kind, jobs, lambda done: pick([jct_ratio(done, slow, fast) for slow, fast in pairs]))


def value_row(row: str, what: str, published: Published, job: Job, *keys: str, use: Use = "predict", kind: PublishedAs = "printed") -> Row:
    """A row about a number of one run's outcome."""

    def simulate(done: Outcomes) -> float:
        found: Any = done[job]
        for key in keys:
            found = found[key]
        return float(found)

    return Row(row, what, published, use, kind, (job,), simulate)
