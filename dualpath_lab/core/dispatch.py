"""Carries out what a policy decides, or says why that is impossible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import index
from typing import Literal, NamedTuple, TypeVar

from dualpath_lab.core.cluster import Cluster
from dualpath_lab.core.turn import Turn
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.core.views import ClusterView, DecodeEngineView, PrefillEngineView
from dualpath_lab.scenario import Role, ScenarioError
from dualpath_lab.workload import BLOCK_TOKENS

Place = Callable[[Turn], None]
"""Called once for each turn, when ``pe``, ``de`` and ``prefill_read`` are set and the decode engine's HBM is taken."""

Sides = Literal["prefill", "either", "both"]
"""Who may read the hit tokens of one turn: the prefill node, either node, or both a part of them."""

View = TypeVar("View", PrefillEngineView, DecodeEngineView)
Engine = TypeVar("Engine")


class PolicyError(ScenarioError):
    """A policy raised, stalled or decided something impossible: the policy, the turn, and what is allowed, in one sentence."""


class Placement(NamedTuple):
    """All that there is to decide about a turn.

    Attributes
    ----------
    prefill : PrefillEngineView
        The engine that prefills it.
    decode : DecodeEngineView
        The engine that decodes it, with room in its HBM for the whole turn.
    prefill_read : int
        Hit tokens that the prefill node reads from storage; the decode node reads the others.
    """

    prefill: PrefillEngineView
    decode: DecodeEngineView
    prefill_read: int


class Dispatch:
    """The one door through which turns reach engines.

    An assignment counts at once, and can't be taken back: the views show it when the call returns.

    Parameters
    ----------
    policy : str
        Name of the policy, for errors.
    sides : {"prefill", "either", "both"}
        Who may read.
    cluster : Cluster
    view : ClusterView
        Of that cluster.
    waiting : dict of TurnView to Turn
        Filled and emptied here.
    place : callable
        Begins with a turn about which all is decided.
    """

    def __init__(self, policy: str, sides: Sides, cluster: Cluster, view: ClusterView, waiting: dict[TurnView, Turn], place: Place) -> None:
        self._policy = policy
        self._sides = sides
        self._view = view
        self._prefill = dict(zip(view.prefill_engines, cluster.prefill_engines, strict=True))
        self._decode = dict(zip(view.decode_engines, cluster.decode_engines, strict=True))
        self._waiting = waiting
        self._place = place

    @property
    def waiting(self) -> int:
        """Turns submitted and not yet placed."""
        return len(self._waiting)

    def add(self, turn: Turn) -> TurnView:
        """Let a turn that has just been submitted wait."""
        view = TurnView(turn)
        self._waiting[view] = turn
        return view

    def place(self, turn: TurnView, placement: Placement) -> None:
        """Decide all about a turn.

        Raises
        ------
        PolicyError
            As :meth:`prefill`, :meth:`decode` and :meth:`read`.
        """
        self.prefill(turn, placement.prefill)
        self.decode(turn, placement.decode)
        self.read(turn, placement.prefill_read)

    def prefill(self, turn: TurnView, engine: PrefillEngineView) -> None:
        """Have an engine prefill the turn.

        Raises
        ------
        PolicyError
            If the turn does not wait for a prefill engine, or the engine is not one of this cluster.
        """
        try:
            assigned, pe = self._waiting[turn], self._prefill[engine]
        except (KeyError, TypeError):
            raise self._unknown(turn, "prefill", engine, self._prefill) from None
        if turn._prefill_engine is not None:
            raise self.error(f"prefill = {engine!r} is not allowed: {turn._prefill_engine!r} was assigned before", turn)
        assigned.pe = pe
        pe.sequences += 1
        pe.tokens += assigned.prompt
        turn._prefill_engine = engine

    def decode(self, turn: TurnView, engine: DecodeEngineView) -> None:
        """Have an engine decode the turn, and take its HBM for it.

        Raises
        ------
        PolicyError
            If the turn does not wait for a decode engine, or the engine is not one of this cluster or lacks the room.
        """
        try:
            assigned, de = self._waiting[turn], self._decode[engine]
        except (KeyError, TypeError):
            raise self._unknown(turn, "decode", engine, self._decode) from None
        if turn._decode_engine is not None:
            raise self.error(f"decode = {engine!r} is not allowed: {turn._decode_engine!r} was assigned before", turn)
        if assigned.hbm_bytes > de.hbm.free_bytes:
            raise self.error(
                f"decode = {engine!r} is not allowed: the turn takes {assigned.hbm_bytes:,} bytes of HBM, and {de.hbm.free_bytes:,} are "
                "free there (wait for an engine with room)",
                turn,
            )
        assigned.de = de
        de.hbm.hold(assigned.hbm_bytes)
        de.sequences += 1
        de.tokens += assigned.tokens
        turn._decode_engine = engine

    def read(self, turn: TurnView, prefill_read: int) -> None:
        """Have the prefill node read so many of the hit tokens, and the decode node the others; the turn begins.

        Raises
        ------
        PolicyError
            If the turn lacks an engine or has begun, or this can't be read there.
        """
        assigned = self._waiting.get(turn)
        if assigned is None:
            raise self._not_waiting(turn)
        if turn._prefill_engine is None or turn._decode_engine is None:
            raise self.error(f"prefill_read = {prefill_read!r} is not allowed yet: both engines should be assigned before", turn)
        hit = assigned.hit
        try:
            tokens = int(index(prefill_read))
        except TypeError:
            raise self._unreadable(prefill_read, hit, turn) from None
        if tokens != hit and (self._sides == "prefill" or (tokens and (self._sides == "either" or not _splits(tokens, hit)))):
            raise self._unreadable(prefill_read, hit, turn)
        assigned.prefill_read = tokens
        del self._waiting[turn]
        self._place(assigned)

    def error(self, what: str, turn: TurnView | None = None) -> PolicyError:
        """Say what is wrong with a decision of the policy."""
        about = f", turn {turn.number} of agent {turn.agent}" if turn is not None else ""
        return PolicyError(f"policy {self._policy}{about}, at {self._view.now:.6g} s: {what}.")

    def stalled(self) -> PolicyError:
        """Say that nothing is left to happen, and turns wait; there are some."""
        first = next(iter(self._waiting))
        return self.error(f"it was not placed, and nothing is left to happen that could change that; {self.waiting:,} turn(s) wait", first)

    def _not_waiting(self, turn: object) -> PolicyError:
        known = turn if isinstance(turn, TurnView) else None
        return self.error(f"an assignment of {turn!r} is not allowed: it should be one of the turns that wait, in cluster.waiting", known)

    def _unknown(self, turn: TurnView, role: Role, engine: object, engines: Mapping[View, Engine]) -> PolicyError:
        if not isinstance(turn, TurnView) or turn not in self._waiting:
            return self._not_waiting(turn)
        allowed = f"it should be one of the {len(engines)} engines of cluster.{role}_engines"
        return self.error(f"{role} = {engine!r} is not allowed: {allowed}", turn)

    def _unreadable(self, prefill_read: object, hit: int, turn: TurnView) -> PolicyError:
        allowed = {
            "prefill": f"{hit}, all hit tokens, since mechanisms.dual_path is off",
            "either": f"{hit}, all hit tokens, or 0 (a policy with split = True may divide them)",
            "both": f"a multiple of {BLOCK_TOKENS} from 0 to {hit}, the turn's hit tokens",
        }[self._sides]
        return self.error(f"prefill_read = {prefill_read!r} is not allowed: it should be {allowed}", turn)


def _splits(tokens: int, hit: int) -> bool:
    """Whether so many of the hit tokens can be read on one side, and the others on the other."""
    return 0 <= tokens <= hit and tokens % BLOCK_TOKENS == 0
