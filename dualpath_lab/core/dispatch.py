"""Carries out what a policy decides, or says why that is impossible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import index
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

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

About = Literal["prefill", "decode", "read"]
"""What a decision is about."""

View = TypeVar("View", PrefillEngineView, DecodeEngineView)
Engine = TypeVar("Engine")


NO_CANDIDATES: Mapping[str, Any] = MappingProxyType({})
_UNSAID = ("", NO_CANDIDATES)


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
    reason : str
        Why, in words; kept where decisions are.
    candidates : mapping of str to object
        What was compared, by name; kept where decisions are.
    """

    prefill: PrefillEngineView
    decode: DecodeEngineView
    prefill_read: int
    reason: str = ""
    candidates: Mapping[str, Any] = NO_CANDIDATES


class Why(NamedTuple):
    """What a decision was made from.

    Attributes
    ----------
    reason : str
        In words.
    candidates : mapping of str to object
        By name, with what was compared.
    """

    reason: str
    candidates: Mapping[str, Any] = NO_CANDIDATES


class Decision(NamedTuple):
    """One decision about a turn.

    Attributes
    ----------
    time_s : float
        Simulated time.
    agent, turn : int
        Number of the agent, and of the turn among its agent's.
    about : {"prefill", "decode", "read"}
        Which engine prefills, which decodes, or who reads the hit tokens.
    chosen : str
        Name of the engine, or of the node or both nodes that read.
    prefill_read : int or None
        Hit tokens that the prefill node reads; None of a decision about an engine.
    reason : str
        In the policy's words; empty if it gave none.
    candidates : mapping of str to object
        As the policy gave them; empty if it gave none.
    """

    time_s: float
    agent: int
    turn: int
    about: About
    chosen: str
    prefill_read: int | None
    reason: str
    candidates: Mapping[str, Any]


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
    seed : int
        The scenario's, for policies that draw.
    keeps_decisions : bool

    Attributes
    ----------
    seed : int
    decisions : list of Decision or None
        In order; None where they are not kept.
    """

    def __init__(
        self,
        policy: str,
        sides: Sides,
        cluster: Cluster,
        view: ClusterView,
        waiting: dict[TurnView, Turn],
        place: Place,
        seed: int = 0,
        keeps_decisions: bool = False,
    ) -> None:
        self.seed = seed
        self.decisions: list[Decision] | None = [] if keeps_decisions else None
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
        why = Why(placement.reason, placement.candidates) if self.decisions is not None else None
        self.prefill(turn, placement.prefill, why)
        self.decode(turn, placement.decode, why)
        self.read(turn, placement.prefill_read, why)

    def prefill(self, turn: TurnView, engine: PrefillEngineView, why: Why | None = None) -> None:
        """Have an engine prefill the turn; ``why`` is kept where decisions are.

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
        if self.decisions is not None:
            self._keep(turn, "prefill", engine.name, None, why)

    def decode(self, turn: TurnView, engine: DecodeEngineView, why: Why | None = None) -> None:
        """Have an engine decode the turn, and take its HBM for it; ``why`` is kept where decisions are.

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
        if self.decisions is not None:
            self._keep(turn, "decode", engine.name, None, why)

    def read(self, turn: TurnView, prefill_read: int, why: Why | None = None) -> None:
        """Have the prefill node read so many of the hit tokens, and the decode node the others; the turn begins.

        ``why`` is kept where decisions are.

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
        if self.decisions is not None:
            readers = [turn._prefill_engine.node.name] * (tokens > 0 or not hit) + [turn._decode_engine.node.name] * (tokens < hit)
            self._keep(turn, "read", " and ".join(readers), tokens, why)
        self._place(assigned)

    def _keep(self, turn: TurnView, about: About, chosen: str, prefill_read: int | None, why: Why | None) -> None:
        assert self.decisions is not None
        reason, candidates = why or _UNSAID
        self.decisions.append(Decision(self._view.now, turn.agent, turn.number, about, chosen, prefill_read, reason, candidates))

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
