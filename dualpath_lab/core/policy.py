"""The protocol between the simulation and whoever decides about turns, and the short way to write a policy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from traceback import extract_tb
from typing import ClassVar, Protocol

import numpy as np

from dualpath_lab.core.dispatch import Dispatch, Placement, PolicyError
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.core.views import ClusterView, NodeView


class Scheduler(Protocol):
    """Decides for each turn; told of every event that can let a waiting turn through.

    It reads a :class:`ClusterView` and acts through a :class:`Dispatch`, now or at a later event.
    """

    def submit(self, turn: TurnView) -> None:
        """Take a new turn."""

    def prefill_fetch(self, group: int) -> None:
        """The leader of a prefill group asks for work: a forward has ended."""

    def turn_ended(self, turn: TurnView) -> None:
        """The turn is over, and its decode engine's HBM is free; its group's leader asks for work."""

    def read_ended(self, node: NodeView) -> None:
        """A node has read a turn's hit tokens from storage: its read queue is shorter."""

    def storage_changed(self) -> None:
        """Storage has become faster or slower."""


EVENTS = ("submit", "prefill_fetch", "turn_ended", "read_ended", "storage_changed")
"""The methods of :class:`Scheduler`."""


class MakeScheduler(Protocol):
    """A class of schedulers; ``split = True`` in it lets a turn's read be divided over both sides."""

    def __call__(self, cluster: ClusterView, dispatch: Dispatch) -> Scheduler: ...  # noqa: D102


class Policy(ABC):
    """A policy in one method, which says where a turn goes or that it waits.

    Turns are asked about in the order in which they were submitted, whenever something has happened that can change the answer: a turn
    was submitted or ended, a read or a forward ended, storage changed. The passing of time alone is no such event.

    Attributes
    ----------
    cluster : ClusterView
        The cluster as it is now.
    seed : int
        The scenario's.
    rng : numpy Generator
        Made of it, for a policy that draws; nobody else draws from it, so that workloads stay the same.
    overtaking : bool
        Whether a turn is asked about while one before it waits. Set it in the class.
    split : bool
        Whether a turn's read may be divided over both sides. Set it in the class.
    """

    overtaking: ClassVar[bool] = False
    split: ClassVar[bool] = False

    def __init__(self, cluster: ClusterView, dispatch: Dispatch) -> None:
        self.cluster = cluster
        self.seed = dispatch.seed
        self.rng = np.random.default_rng(dispatch.seed)
        self._dispatch = dispatch

    @abstractmethod
    def place(self, turn: TurnView) -> Placement | None:
        """Where the turn goes and who reads its hit tokens; None lets it wait."""

    def submit(self, turn: TurnView) -> None:
        """Ask."""
        self._ask()

    def prefill_fetch(self, group: int) -> None:
        """Ask."""
        self._ask()

    def turn_ended(self, turn: TurnView) -> None:
        """Ask."""
        self._ask()

    def read_ended(self, node: NodeView) -> None:
        """Ask."""
        self._ask()

    def storage_changed(self) -> None:
        """Ask."""
        self._ask()

    def _ask(self) -> None:
        for turn in self.cluster.waiting:
            placement = self._decided(turn)
            if placement is not None:
                self._dispatch.place(turn, placement)
            elif not self.overtaking:
                return

    def _decided(self, turn: TurnView) -> Placement | None:
        try:
            placement = self.place(turn)
        except PolicyError:
            raise
        except Exception as error:
            raise self._dispatch.error(f"it {raised(error)}", turn) from error
        if placement is not None and not isinstance(placement, Placement):
            raise self._dispatch.error(f"place returned {placement!r}: it should be a Placement, or None to let the turn wait", turn)
        return placement


def raised(error: BaseException) -> str:
    """What was raised and where, in words."""
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    where = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    told = " ".join(str(error).split()).rstrip(".")
    return f"raised {type(error).__name__}{where}" + (f": {told}" if told else "")
