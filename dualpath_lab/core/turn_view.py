"""What a policy sees of a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualpath_lab.core.turn import Turn

if TYPE_CHECKING:
    from dualpath_lab.core.views import DecodeEngineView, PrefillEngineView


class TurnView:
    """A turn of an agent, from its submission to its end."""

    __slots__ = ("_decode_engine", "_prefill_engine", "_turn")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._prefill_engine: PrefillEngineView | None = None
        self._decode_engine: DecodeEngineView | None = None

    def __repr__(self) -> str:
        return f"<turn {self.number} of agent {self.agent}>"

    @property
    def agent(self) -> int:
        """Number of its agent."""
        return self._turn.agent

    @property
    def number(self) -> int:
        """Number of the turn among its agent's, from 0."""
        return self._turn.number

    @property
    def submitted(self) -> float:
        """When it was submitted, in s."""
        return self._turn.submitted

    @property
    def hit(self) -> int:
        """Prompt tokens whose KV-cache storage has: a whole number of blocks."""
        return self._turn.hit

    @property
    def computed(self) -> int:
        """Prompt tokens that are to be prefilled."""
        return self._turn.computed

    @property
    def prompt(self) -> int:
        """Tokens of the prompt: hit and computed."""
        return self._turn.prompt

    @property
    def generate(self) -> int:
        """Tokens of the answer; a server at work would have to guess it."""
        return self._turn.generate

    @property
    def tokens(self) -> int:
        """Tokens of prompt and answer."""
        return self._turn.tokens

    @property
    def hbm_bytes(self) -> int:
        """HBM that it takes of its decode engine: the KV-cache of prompt and answer."""
        return self._turn.hbm_bytes

    @property
    def prefill_engine(self) -> PrefillEngineView | None:
        """Where it is prefilled; None while that is open."""
        return self._prefill_engine

    @property
    def decode_engine(self) -> DecodeEngineView | None:
        """Where it is decoded; None while that is open."""
        return self._decode_engine
