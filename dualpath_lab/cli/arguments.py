"""What commands have in common: how arguments are read, and how an answer is printed."""

from __future__ import annotations

import argparse
import csv
import difflib
import json
import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from threading import Timer
from typing import Any

from dualpath_lab.html_table import aligned
from dualpath_lab.scenario import ScenarioError

_REPEAT_S = 0.1
"""An interrupt that was dropped comes again after this time: any object is freed by then, and whoever asked hardly notices."""


@contextmanager
def ended_like_interrupted() -> Iterator[None]:
    """A request to end (SIGTERM) keeps what has finished and leaves nothing half written, as Ctrl-C does.

    Python drops what is raised while it frees an object, as Dask has it do after each result: an interrupt that came just then comes
    again.
    """
    repeats: list[Timer] = []

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    def repeat(dropped: sys.UnraisableHookArgs) -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            hook(dropped)
            return
        repeats.append(Timer(_REPEAT_S, os.kill, (os.getpid(), signal.SIGTERM)))
        repeats[-1].start()

    before = signal.signal(signal.SIGTERM, interrupt)
    hook, sys.unraisablehook = sys.unraisablehook, repeat
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for timer in repeats:
            timer.cancel()
            timer.join()
        signal.signal(signal.SIGTERM, before)


def names(text: str) -> list[str]:
    """Names between commas."""
    found = [name.strip() for name in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} holds an empty name: it should be names between commas, such as basic,dualpath")
    return found


def _whole_number(text: str, low: int, high: float) -> int:
    try:
        number = int(text)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high:,.0f}")
    return number


def port(text: str) -> int:
    """A port to listen on; 0 for any."""
    return _whole_number(text, 0, 65_535)


def tokens(text: str) -> int:
    """A number of tokens."""
    return _whole_number(text, 1, 1e9)


def count(text: str) -> int:
    """How many of something; at least one."""
    return _whole_number(text, 1, 1e6)


def _seed(text: str) -> int:
    return _whole_number(text, 0, 2**32 - 1)


def one_seed(text: str) -> list[int]:
    """A list of one seed."""
    return [_seed(text)]


SEEDS = "N: so many seeds, counted from the scenario's own, else from 0; A,B,C: these seeds, and A, with the comma: this one"
"""The one grammar of ``--seeds``, as help says it."""


def several(text: str) -> int | list[int]:
    """``--seeds``: how many, or which."""
    if "," not in text:
        return count(text)
    seeds = [_seed(seed.strip()) for seed in text.removesuffix(",").split(",")]
    if len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(f"{text!r} holds a seed twice")
    return seeds


def seeds(text: str) -> list[int]:
    """``--seeds`` where no scenario has one of its own: as :func:`several`, counted from 0."""
    found = several(text)
    return list(range(found)) if isinstance(found, int) else found


def processes(text: str) -> int:
    """Runs at a time."""
    return _whole_number(text, 1, 1024)


def new_file(text: str) -> Path:
    """A file that can be written; it may be there already."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} is not a file in a folder that is there and can be written to")
    return path


def write_text(path: Path, text: str) -> None:
    """Write a file that is whole under its name, or not there.

    Raises
    ------
    ScenarioError
        If it can't be written.
    """
    from dualpath_lab.studies.reproduce import write_whole

    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise ScenarioError(f"{str(path)!r} can't be written: {error.strerror}.") from None


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage text, and what was meant where a word is misspelt."""

    def error(self, message: str) -> None:  # type: ignore[override]  # argparse types it as never returning; raising does not return
        """Raise it as a sentence."""
        raise ScenarioError(f"{self.prog}: {message}{'' if message.endswith('?') else '.'}")

    def parse_args(self, words: Sequence[str] | None = None, namespace: None = None) -> argparse.Namespace:  # type: ignore[override]  # no namespace is given
        """As argparse does it; a command or option that is not known gets the nearest one."""
        words = sys.argv[1:] if words is None else words
        options, unknown = self.parse_known_args(words)
        if unknown:
            known = re.findall(r"(?<!\S)--([a-z-]+)", options.parser.format_help())
            meant = nearest(unknown[0].partition("=")[0].lstrip("-"), known, "--") if unknown[0].startswith("-") else ""
            options.parser.error(f"{unknown[0]!r} is not known here{meant or f'; {options.parser.prog} --help lists what is'}")
        return options


def nearest(word: str, known: Iterable[str], sign: str = "") -> str:
    """A question after what was misspelt; nothing where nothing known is near. ``sign`` stands before each of the known."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {sign + near[0]!r}?" if near else ""


def add_output(parser: argparse.ArgumentParser, table: bool) -> None:
    """``--json``, and ``--format`` where the answer has a table."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print JSON alone")
    if table:
        how.add_argument("--format", choices=("table", "csv", "json"), help="print the answer as a table, CSV or JSON alone")


def print_table(records: Sequence[Mapping[str, Any]]) -> None:
    """Records with the same names, one a line, in columns."""
    print(aligned(list(records[0]), [[_cell(value) for value in record.values()] for record in records]))


def print_csv(records: Sequence[Mapping[str, Any]]) -> None:
    """Records as CSV, with a column for every name; numbers to the last digit, nothing where there is no value."""
    writer = csv.DictWriter(sys.stdout, list(dict.fromkeys(chain(*records))), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "–" if value is None else str(value)


def print_json(values: Any) -> None:
    """The answer alone, for programs."""
    print(json.dumps(values, indent=2, allow_nan=False))
