"""Files that a visitor hands in: traces and model configs, checked beside the server and kept to the session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import ClassVar, Literal

from dualpath_lab.dashboards.bounds import check_turns
from dualpath_lab.models import load_model
from dualpath_lab.result import duration
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.run import Progress
from dualpath_lab.studies.sweep.rows import DONE, Row, failed
from dualpath_lab.workload import read_trace

MOST_BYTES = 20_000_000
MOST_FILES = 10
MOST_TURNS = 20_000
"""Turns of a trace; a page is no place for longer runs."""

Kind = Literal["trace", "config"]


@dataclass(frozen=True)
class CheckTask:
    """Reads an uploaded file; its row tells what is in it, or what is wrong with it."""

    path: Path
    kind: Kind
    ours: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """The file's path, which nobody else has."""
        return str(self.path)

    @property
    def work(self) -> float:
        """As good as nothing."""
        return 1.0

    def run(self, look: Progress) -> Row:
        """Read it."""
        started = perf_counter()
        try:
            told = _trace(self.path) if self.kind == "trace" else _config(self.path)
        except ScenarioError as error:
            return {"key": self.key} | failed(str(error).replace(str(self.path), self.path.name))
        return {"key": self.key, "status": DONE, "told": told, "wall_s": perf_counter() - started}


class Uploads:
    """The files of one session, in a folder that goes with it."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="dualpath-lab-")
        self._taken = 0

    def take(self, name: str, content: bytes) -> Path:
        """Keep a file under its own name.

        Raises
        ------
        ScenarioError
            If it is too large, one too many, or its name is none.
        """
        if len(content) > MOST_BYTES:
            raise ScenarioError(
                f"The file {name!r} has {len(content) / 1e6:,.1f} MB: it should have at most {MOST_BYTES / 1e6:g} MB; "
                "the command line takes larger ones."
            )
        if self._taken == MOST_FILES:
            raise ScenarioError(f"The file {name!r} is one too many: a visit takes {MOST_FILES} files.")
        last = Path(name.replace("\\", "/")).name
        if not last or last.startswith(".") or not last.isprintable() or len(last) > 100:
            raise ScenarioError(f"The file name {name[:100]!r} is not allowed: it should be a plain name of up to 100 characters.")
        self._taken += 1
        folder = Path(self._folder.name) / str(self._taken)
        folder.mkdir()
        path = folder / last
        path.write_bytes(content)
        return path

    def close(self) -> None:
        """Delete everything."""
        self._folder.cleanup()


def _trace(path: Path) -> str:
    workload = read_trace(path)
    if workload.turns > MOST_TURNS:
        raise ScenarioError(
            f"Trace {path.name!r} has {workload.turns:,} turns: this page takes up to {MOST_TURNS:,}; the command line takes more."
        )
    check_turns(workload)
    pauses_s = float(workload.gap_s.max())
    pauses = f", whose pauses of up to {duration(pauses_s)} are kept" if pauses_s else ""
    return " ".join([f"{workload.trajectories:,} sessions, {workload.turns:,} turns{pauses}" + "." * bool(workload.told), *workload.told])


def _config(path: Path) -> str:
    model = load_model(str(path))
    return f"{model.total_parameters / 1e9:,.3g} billion parameters, {model.kv_bytes_per_token / 1e3:,.3g} kB of KV-cache a token"
