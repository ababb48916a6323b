"""Bars with the time left, for the ``progress`` of long studies: a line in a terminal, a widget in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dualpath_lab.core.simulation import Simulation


@contextmanager
def run_bar() -> Iterator[Callable[[Simulation], None]]:
    """Follow the turns of :func:`simulate`, and of each run of :func:`compare` after another.

    Yields
    ------
    callable
        For their ``progress``.
    """
    from tqdm.auto import tqdm

    with tqdm(unit=" turns", leave=False) as bar:
        shown: Simulation | None = None

        def show(simulation: Simulation) -> None:
            nonlocal shown
            if simulation is not shown:
                shown = simulation
                bar.reset(total=simulation.workload.turns)
                bar.set_description(simulation.scenario.system)
            bar.update(len(simulation.log) - bar.n)

        yield show


@contextmanager
def sweep_bar() -> Iterator[Callable[[int, int, int], None]]:
    """Follow the scenarios of :func:`sweep`, and count those that failed.

    Yields
    ------
    callable
        For its ``progress``.
    """
    from tqdm.auto import tqdm

    with tqdm(desc="sweep", unit=" scenarios", leave=False, smoothing=0) as bar:

        def show(done: int, failed: int, scenarios: int) -> None:
            if bar.total is None:
                bar.reset(total=scenarios)
                bar.initial = done
            if failed:
                bar.set_postfix(failed=failed, refresh=False)
            bar.update(done + failed - bar.n)

        yield show
