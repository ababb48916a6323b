"""One turn of one agent on its way through the cluster."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from dualpath_lab.workload import BLOCK_TOKENS

if TYPE_CHECKING:
    from dualpath_lab.core.engines import DecodeEngine, PrefillEngine


class Turn:
    """A request: ``hit`` prompt tokens come from storage, ``computed`` are prefilled, ``generate`` are decoded.

    Attributes
    ----------
    agent, row : int
        Trajectory and row of the workload.
    number : int
        Of the turn among its agent's, from 0.
    hit, generate : int
        Tokens; ``hit`` is a whole number of blocks.
    prompt, tokens : int
        Tokens of the prompt, and of prompt and answer together.
    hbm_bytes : int
        KV-cache of prompt and answer together.
    pe, de : engines chosen by the scheduler
    layers_bytes : int
        KV-cache of the prompt that a layer-wise forward holds at a time.
    prefill_read : int
        Hit tokens that the prefill node reads from storage; the decode node reads the others.
    prefill_reloaded, decode_reloaded : int
        Tokens that later forwards of a chunked turn loaded again from the prefill and the decode node's buffer.
    reads_left : int
        Reads that are still to come.
    written : int
        Number of the last of its blocks in the queue of its node's writes; 0 if there are none.
    previous : Turn or None
        The agent's turn before, whose blocks this one reads; forgotten once this one is placed.
    logged : bytes
        What the log has about it once it is placed; see :meth:`TurnLog.begun`.
    step_bytes : int
        KV-cache that each of its decode steps reads.
    last_step : int
        Of its decode group, at whose end it ends.
    asked, admitted : bool
        Whether room in the decode node's buffer was asked for, and granted.
    prefilled : int
        Tokens of ``computed`` that forwards have done so far.
    submitted, read, prefill_started, prefill_ended, first_token, second_token, finished : float
        Times in s at which each stage was over; ``second_token`` is NaN until it is known, and for ever where the answer has none.
    """

    __slots__ = (
        "admitted",
        "agent",
        "asked",
        "de",
        "decode_reloaded",
        "finished",
        "first_token",
        "generate",
        "hbm_bytes",
        "hit",
        "last_step",
        "layers_bytes",
        "logged",
        "number",
        "pe",
        "prefill_ended",
        "prefill_read",
        "prefill_reloaded",
        "prefill_started",
        "prefilled",
        "previous",
        "prompt",
        "read",
        "reads_left",
        "row",
        "second_token",
        "step_bytes",
        "submitted",
        "tokens",
        "written",
    )

    pe: PrefillEngine
    de: DecodeEngine
    logged: bytes
    layers_bytes: int
    step_bytes: int
    last_step: int

    def __init__(self, agent: int, row: int, hit: int, computed: int, generate: int, kv_bytes_per_token: int) -> None:
        self.agent = agent
        self.row = row
        self.number = 0
        self.hit = hit
        self.generate = generate
        self.prompt = hit + computed
        self.tokens = hit + computed + generate
        self.hbm_bytes = self.tokens * kv_bytes_per_token
        self.prefill_read = hit
        self.prefill_reloaded = self.decode_reloaded = 0
        self.reads_left = 0
        self.written = 0
        self.previous: Turn | None = None
        self.asked = self.admitted = False
        self.prefilled = 0
        self.submitted = self.read = 0.0
        self.prefill_started = self.prefill_ended = 0.0
        self.first_token = self.finished = 0.0
        self.second_token = nan

    @property
    def computed(self) -> int:
        """Prompt tokens that are prefilled."""
        return self.prompt - self.hit

    @property
    def decode_read(self) -> int:
        """Hit tokens that the decode node reads from storage."""
        return self.hit - self.prefill_read


def hit_tokens(context: int, append: int, hit_rate: float) -> int:
    """Tokens of a prompt that storage supplies.

    Storage holds whole blocks only, and at least one token has to be computed so that there is an answer to sample from.

    Parameters
    ----------
    context, append : int
        Tokens seen in earlier turns, and new ones.
    hit_rate : float
        Fraction of the context that storage still has.
    """
    available = int(context * hit_rate)
    return min(available, context + append - 1) // BLOCK_TOKENS * BLOCK_TOKENS
