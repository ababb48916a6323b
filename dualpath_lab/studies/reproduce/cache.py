"""What has been run already, so that an interrupted reproduction goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dualpath_lab
from dualpath_lab.studies.reproduce.jobs import Job, Outcome
from dualpath_lab.studies.reproduce.pool import Task


class JobCache:
    """A file with a line of JSON for each job that is done; lines are only ever added.

    A job is known by its kind, its changes, its seed and the lab's version; the last line of a job counts, and a line that was cut
    short is as if it were not there.

    Parameters
    ----------
    path : Path
        Need not be there yet.
    fresh : bool
        Forget what the file holds; new lines are added all the same.
    """

    def __init__(self, path: Path, fresh: bool = False) -> None:
        self._path = path
        self._outcomes: dict[str, Outcome] = {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        self._ends_within_a_line = bool(text) and not text.endswith("\n")
        for line in [] if fresh else text.splitlines():
            try:
                entry = json.loads(line)
                self._outcomes[_key(**entry["job"])] = dict(entry["outcome"])
            except (ValueError, TypeError, KeyError):
                continue

    def get(self, task: Task) -> Outcome | None:
        """The outcome of a task that is done."""
        return self._outcomes.get(_key(**_named(*task)))

    def add(self, task: Task, outcome: Outcome) -> None:
        """Keep an outcome, in the file as well."""
        named = _named(*task)
        line = json.dumps({"job": named, "outcome": outcome}, allow_nan=False) + "\n"
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n" + line if self._ends_within_a_line else line)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from None  # a write that fails does not say where
        self._ends_within_a_line = False
        self._outcomes[_key(**named)] = outcome


def _named(job: Job, seed: int) -> dict[str, Any]:
    return {"kind": job.kind, "changes": dict(job.changes), "seed": seed, "version": dualpath_lab.__version__}


def _key(kind: str, changes: dict[str, Any], seed: int, version: str) -> str:
    return json.dumps([kind, changes, seed, version], sort_keys=True)
