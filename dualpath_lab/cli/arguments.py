"""What commands have in common: how arguments are read, and how an answer is printed."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

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
    return [name.strip() for name in text.split(",") if name.strip()]


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


def seeds(text: str) -> list[int]:
    """Seeds between commas, each once."""
    seeds = [_seed(seed.strip()) for seed in text.split(",")]
    if len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(f"{text!r} holds a seed twice")
    return seeds


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


def print_json(values: Any) -> None:
    """The answer alone, for programs."""
    print(json.dumps(values, indent=2, allow_nan=False))
