"""One turn taken apart: its stages, its bytes on every link, what the scheduler saw, and the forwards around it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from dualpath_lab.core.engines import DecodeEngine, PrefillEngine
from dualpath_lab.core.links import Link
from dualpath_lab.core.paths import Step, steps
from dualpath_lab.core.prefill import PrefillGroup
from dualpath_lab.core.recorder import TurnLog
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.core.systems import mechanisms
from dualpath_lab.result import Columns, moved_bytes
from dualpath_lab.scenario import ScenarioError

Which = Literal["slowest", "median"]
Path = Literal["prefill", "decode", "both", "none"]

STAGES = {
    "schedule": "waits for the scheduler",
    "read": "reads from storage",
    "prefill_queue": "waits for a forward",
    "prefill": "forwards",
    "transfer": "goes to the decode node",
    "copy": "copies to HBM, first step",
    "decode": "decodes",
}
"""What a turn does between each two of the log's times, in order."""
_NOTHING = "No turn has finished, so there is none to take apart."


class Stage(NamedTuple):
    """Part of a turn's time.

    Attributes
    ----------
    name : str
        Of ``STAGES``.
    start_s, end_s : float
        Since the run began.
    where : tuple of str
        Engines at work, or at whose node it waits; two where both sides read, none at the scheduler.
    """

    name: str
    start_s: float
    end_s: float
    where: tuple[str, ...]


class Seen(NamedTuple):
    """What there was to see when a turn was placed, in tokens: of both engines, with the turn, and in the read queues of their nodes."""

    pe: int
    de: int
    prefill_queue: int
    decode_queue: int


class Turns:
    """The turns of a run that have finished; a turn goes by its row of the log.

    Parameters
    ----------
    simulation : Simulation
        Ended or running; what happens later is not taken in.

    Attributes
    ----------
    simulation : Simulation
    columns : dict of array, shape (turns,)
        See :meth:`TurnLog.columns`.
    times : list of list of float
        For each time of the log that of every turn, in s since the run began: where a stage ends and the next begins. An answer of a single
        token ends with the copy.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.columns: Columns = simulation.log.columns()
        second, finished = self.columns["second_token"], self.columns["finished"]
        edges = self.columns | {"second_token": np.where(np.isnan(second), finished, second)}
        self.times: list[list[float]] = [edges[name].tolist() for name in TurnLog.TIMES]
        self._values = {name: column.tolist() for name, column in self.columns.items()}
        self._transfers = mechanisms(simulation.scenario).transfers
        self._prefill, self._decode = simulation.cluster.prefill_engines, simulation.cluster.decode_engines

    def __len__(self) -> int:
        return len(self.columns["row"])

    def pick(self, which: Which) -> int:
        """The turn of the longest TTFT, or of the median one (the lower of two).

        Raises
        ------
        ScenarioError
            If no turn has finished.
        """
        if not len(self):
            raise ScenarioError(_NOTHING)
        order = np.argsort(self.columns["ttft"], kind="stable")
        return int(order[-1] if which == "slowest" else order[(len(order) - 1) // 2])

    def check(self, turn: int) -> None:
        """See that there is such a turn.

        Raises
        ------
        ScenarioError
            If not.
        """
        if not len(self):
            raise ScenarioError(_NOTHING)
        if not 0 <= turn < len(self):
            raise ScenarioError(f"turn = {turn} is not allowed: it should be one of the {len(self):,} turns, from 0 to {len(self) - 1}.")

    def engines(self, turn: int) -> tuple[PrefillEngine, DecodeEngine]:
        """Those that prefill and decode it."""
        return self._prefill[self._values["pe"][turn]], self._decode[self._values["de"][turn]]

    def path(self, turn: int) -> Path:
        """The side that reads its hit tokens."""
        hit, near = self._values["hit"][turn], self._values["prefill_read"][turn]
        if not hit or not self._transfers:
            return "none"
        return "prefill" if near == hit else "both" if near else "decode"

    def stages(self, turn: int) -> list[Stage]:
        """From submission to the last token, without a gap; a stage that took no time is there too.

        The copy to the decode engine follows the first token, which prefill makes; the answer of a single token ends with the copy.
        """
        times = [each[turn] for each in self.times]
        pe, de = (engine.name for engine in self.engines(turn))
        readers = {"prefill": (pe,), "decode": (de,), "both": (pe, de), "none": (pe,)}
        wheres = ((), readers[self.path(turn)], (pe,), (pe,), (pe,), (de,), (de,))
        return [Stage(*each) for each in zip(STAGES, times[:-1], times[1:], wheres, strict=True)]

    def steps(self, turn: int) -> list[Step[Link]]:
        """Its exact bytes on every link (reference section 4); none where the system moves nothing."""
        if not self._transfers:
            return []
        pe, de = self.engines(turn)
        return steps(pe.ports, de.ports, *moved_bytes(self.columns, turn, self.simulation.model.kv_bytes_per_token))

    def seen(self, turn: int) -> Seen:
        """What the scheduler saw."""
        return Seen(*(self._values[name][turn] for name in TurnLog.SEEN))

    def forwards(self, turn: int) -> Columns:
        """Those of its prefill group that have ended, as :class:`ForwardLog` has them."""
        return self.engines(turn)[0].group.log.columns()


def group_name(group: PrefillGroup) -> str:
    """Its engine, or its first and its last one."""
    first, last = group.engines[0].name, group.engines[-1].name
    return first if first == last else f"{first} to {last}"
