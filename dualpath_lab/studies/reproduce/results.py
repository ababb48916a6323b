"""A whole reproduction as one value, and as files: everything that its table and its figures are made from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any, BinaryIO, NamedTuple

from pydantic import BaseModel, ValidationError, field_validator

import dualpath_lab
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.small_file import read_small
from dualpath_lab.studies.reproduce.jobs import Job, Kind, Outcome, Outcomes
from dualpath_lab.studies.reproduce.report import KEYS, READING, RowResult, as_markdown, in_words
from dualpath_lab.studies.reproduce.row import READ_ERROR

RESULTS = "results.json"
_MOST_BYTES = 64_000_000

HOLLOW = (
    f"Hollow diamonds are published values, with a whisker of ±{READ_ERROR:.0%} where they were read off a figure; hollow squares are "
    "those of which it was inferred what they are of"
)


class JobResult(BaseModel):
    """A job that was run: its kind, what differs from the default scenario, and what came out."""

    kind: Kind
    changes: dict[str, Any]
    seed: int
    outcome: Outcome

    @property
    def job(self) -> Job:
        """What was run."""
        return Job(self.kind, tuple(self.changes.items()))


class Spread(NamedTuple):
    """A number over the seeds."""

    mean: float
    low: float
    high: float


class Results(BaseModel):
    """A reproduction.

    Attributes
    ----------
    version : str
        Of the lab.
    command : str
        That makes it again; empty where it was no command.
    seeds : list of int
    settings : dict
        What was set in every run, on top of a job's own changes.
    rows : list of dict
        The JSON of ``dualpath-lab reproduce``.
    jobs : list of JobResult
        Every run, once for each seed; those with another forward budget with the first seed only.
    """

    version: str
    command: str
    seeds: list[int]
    settings: dict[str, Any] = {}
    rows: list[RowResult]
    jobs: list[JobResult]

    @field_validator("rows")
    @classmethod
    def _have_all_keys(cls, rows: list[RowResult]) -> list[RowResult]:
        for row in rows:
            for key in KEYS:
                if key not in row:
                    raise ValueError(f"row {row.get('row')!r} has no {key!r}, as of another version of the lab")
        return rows

    @property
    def turns(self) -> int:
        """Simulated in all jobs together."""
        return sum(done.outcome["turns"] for done in self.jobs)

    @property
    def outcomes(self) -> dict[int, Outcomes]:
        """What came out, by seed and job."""
        return {seed: {done.job: done.outcome for done in self.jobs if done.seed == seed} for seed in self.seeds}

    def row(self, row: str) -> RowResult | None:
        """The entry of a row; None where it was not run."""
        return next((entry for entry in self.rows if entry["row"] == row), None)

    def over_seeds(self, value: Callable[[Outcomes], float], *jobs: Job) -> Spread | None:
        """A number made from some jobs; None where they were not run."""
        values = [value(done) for done in self.outcomes.values() if all(job in done for job in jobs)]
        return Spread(fmean(values), min(values), max(values)) if values else None


def read_results(path: Path) -> Results:
    """Read what :func:`write_results` wrote.

    Raises
    ------
    ScenarioError
        If the file can't be read, or holds something else.
    """
    content = read_small(path, "Results file", _MOST_BYTES)
    try:
        return Results.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise ScenarioError(
            f"{path} is not a results.json of dualpath-lab reproduce: {where}: {problem['msg'].removeprefix('Value error, ')}."
        ) from None


@cache
def stored_results() -> Results:
    """The reproduction that ships with the lab.

    Raises
    ------
    ScenarioError
        If it doesn't.
    """
    package = Path(dualpath_lab.__file__).parent
    shipped = package / RESULTS
    return read_results(shipped if shipped.exists() else package.parent / "docs" / "results" / RESULTS)


class Picture(NamedTuple):
    """A figure that has become a file."""

    file: str
    title: str
    caption: str


def write_results(folder: Path, results: Results) -> None:
    """Write ``results.json``."""
    write_whole(folder / RESULTS, (results.model_dump_json(indent=1) + "\n").encode())


def write_document(folder: Path, results: Results, pictures: Sequence[Picture]) -> None:
    """Write ``results.md``; the pictures are in the folder already."""
    write_whole(folder / "results.md", as_document(results, pictures).encode())


def as_document(results: Results, pictures: Sequence[Picture]) -> str:
    """How to make it again, the table, and the figures as relative links."""
    several = "s" if len(results.seeds) > 1 else ""
    settings = f", and with {in_words(results.settings)} in every run" if results.settings else ""
    parts = [
        "# The published results beside ours",
        f"Made by DualPath Lab {results.version} from {results.turns:,} simulated turns, with seed{several} "
        f"{', '.join(str(seed) for seed in results.seeds)}{settings}. To make it again:",
        f"```bash\n{results.command}\n```",
        "A row marked *calibrate* is one on which a constant was fitted; the others are predictions. The error of a range is that to its "
        f"nearer end. {READING}",
        as_markdown(results.rows),
    ]
    if any("sensitivity" in row for row in results.rows):
        parts.append(
            "Systems without compute quota fill a forward up to a number of tokens, which is assumed; their rows also say what they are "
            f"with half and with twice as many, with seed {results.seeds[0]}."
        )
    if pictures:
        parts.append(f"{HOLLOW}; solid marks are ours.")
    for picture in pictures:
        parts += [f"## {picture.title}", f"![{picture.title}]({picture.file})", picture.caption]
    return "\n\n".join(parts) + "\n"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that whoever looks finds the old one or the new one, never a part."""
    with whole_file(path) as file:
        file.write(content)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to bit by bit, which takes its name at the end; whoever looks finds the old one or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        part.chmod(0o644)
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, error.strerror, str(path)) from None  # by the name that the caller knows
        raise
