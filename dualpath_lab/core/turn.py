"""One turn of one agent on its way through the cluster."""

from __future__ import annotations

from collections.abc import Callable
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
    hit, computed, generate : int
        Tokens; ``hit`` is a whole number of blocks.
    prompt, tokens : int
        Tokens of the prompt, and of prompt and answer together.
    hit_bytes, prompt_bytes, hbm_bytes : int
        KV-cache of the hit tokens, of the whole prompt, and of prompt and answer together.
    pe, de : engines chosen by the scheduler
    layers_bytes : int
        KV-cache of the prompt that a layer-wise forward holds at a time.
    prefill_read : int
        Hit tokens that the prefill node reads from storage; the decode node reads the others.
    reads_left : int
        Reads that are still to come.
    stored, writes : int
        Tokens whose blocks are in storage or on their way there, and the number of writes under way.
    previous : Turn or None
        The agent's turn before, whose blocks this one reads; forgotten once this one is placed.
    when_stored : callable or None
        What waits for the writes to be over.
    seen : tuple of int
        What the scheduler saw when it placed the turn: tokens of the prefill and of the decode engine, the turn's own included, then the
        read queues (tokens) of the prefill and of the decode node.
    step_bytes : int
        KV-cache that each of its decode steps reads.
    asked, admitted : bool
        Whether room in the decode node's buffer was asked for, and granted.
    prefilled : int
        Tokens of ``computed`` that forwards have done so far.
    submitted, placed, read, prefill_started, prefill_ended, first_token, second_token, finished : float
        Times in s at which each stage was over.
    """

    __slots__ = (
        "admitted",
        "agent",
        "asked",
        "computed",
        "de",
        "finished",
        "first_token",
        "generate",
        "hbm_bytes",
        "hit",
        "hit_bytes",
        "layers_bytes",
        "number",
        "pe",
        "placed",
        "prefill_ended",
        "prefill_read",
        "prefill_started",
        "prefilled",
        "previous",
        "prompt",
        "prompt_bytes",
        "read",
        "reads_left",
        "row",
        "second_token",
        "seen",
        "step_bytes",
        "stored",
        "submitted",
        "tokens",
        "when_stored",
        "writes",
    )

    pe: PrefillEngine
    de: DecodeEngine
    layers_bytes: int
    step_bytes: int

    def __init__(self, agent: int, row: int, hit: int, computed: int, generate: int, kv_bytes_per_token: int) -> None:
        self.agent = agent
        self.row = row
        self.number = 0
        self.hit = hit
        self.computed = computed
        self.generate = generate
        self.prompt = hit + computed
        self.tokens = hit + computed + generate
        self.hit_bytes = hit * kv_bytes_per_token
        self.prompt_bytes = self.prompt * kv_bytes_per_token
        self.hbm_bytes = self.tokens * kv_bytes_per_token
        self.prefill_read = hit
        self.reads_left = 0
        self.seen = (0, 0, 0, 0)
        self.stored = hit
        self.writes = 0
        self.previous: Turn | None = None
        self.when_stored: Callable[[], None] | None = None
        self.asked = self.admitted = False
        self.prefilled = 0
        self.submitted = self.placed = self.read = 0.0
        self.prefill_started = self.prefill_ended = 0.0
        self.first_token = self.second_token = self.finished = 0.0

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
