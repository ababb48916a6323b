"""How many tokens of which requests one prefill engine puts into its next forward (section 7, intra-engine)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from dualpath_lab.core.turn import Turn
from dualpath_lab.workload import BLOCK_TOKENS

AttentionTime = Callable[[int, int], float]
"""Seconds of attention on one engine for so many cached and so many new tokens of a request; see :meth:`PrefillTime.attention_s`."""


class Chunk(NamedTuple):
    """Part of a request in a forward: ``tokens`` new ones after ``cached``, as the paper's ``(cached, bsz)``.

    This forward is the request's first, or completes its prefill, or both, or neither.
    """

    turn: Turn
    cached: int
    tokens: int
    is_first: bool
    is_last: bool


class ComputeQuota:
    """FIFO packing until the attention of the forward would take longer than the quota; the request that would pass it is chunked.

    Parameters
    ----------
    attention_s : callable
        Predicts attention time.
    quota_s : float
        Attention time of one forward.
    """

    def __init__(self, attention_s: AttentionTime, quota_s: float) -> None:
        self._attention_s = attention_s
        self._quota_s = quota_s

    def pack(self, ready: Iterator[Turn]) -> tuple[list[Chunk], float]:
        """Choose the next forward's chunks among requests that are ready, first come first.

        At least a block is chosen, or what is left of one: a quota that the first request's cached tokens use up can't stop the engine.

        Returns
        -------
        chunks : list of Chunk
        attention_s : float
            Of all of them.
        """
        chunks: list[Chunk] = []
        spent_s = 0.0
        for turn in ready:
            cached = turn.hit + turn.prefilled
            left = turn.prompt - cached
            tokens, seconds = left, self._attention_s(cached, left)
            if spent_s + seconds > self._quota_s:
                tokens, seconds = self._most_that_fit(cached, tokens, seconds, self._quota_s - spent_s)
                if tokens < BLOCK_TOKENS and not chunks:
                    tokens = min(left, BLOCK_TOKENS)
                    seconds = self._attention_s(cached, tokens)
                if not tokens:
                    break
            spent_s += seconds
            chunks.append(Chunk(turn, cached, tokens, not turn.prefilled, tokens == left))
            if tokens < left:
                break
        return chunks, spent_s

    def _most_that_fit(self, cached: int, too_many: int, too_many_s: float, quota_s: float) -> tuple[int, float]:
        """The most tokens whose attention keeps to the quota, and its time: the secant method, and bisection where that leads astray."""
        last, last_s = 0, self._attention_s(cached, 0)
        fits, fits_s = 0, 0.0
        if last_s > quota_s:
            return fits, fits_s
        tried, seconds = too_many, too_many_s
        while too_many - fits > 1:
            expected = last + (quota_s - last_s) * (tried - last) / (seconds - last_s)
            if not fits <= expected < too_many:
                expected = (fits + too_many) / 2
            last, last_s = tried, seconds
            tried = min(int(expected) + 1, too_many - 1)
            seconds = self._attention_s(cached, tried)
            if seconds <= quota_s:
                fits, fits_s = tried, seconds
            else:
                too_many = tried
        return fits, fits_s


class TokenBudget:
    """Plain FIFO packing up to a fixed number of new tokens, whatever their attention costs."""

    def __init__(self, attention_s: AttentionTime, tokens: int) -> None:
        self._attention_s = attention_s
        self._tokens = tokens

    def pack(self, ready: Iterator[Turn]) -> tuple[list[Chunk], float]:
        """Choose the next forward's chunks; see :meth:`ComputeQuota.pack`."""
        chunks: list[Chunk] = []
        left = self._tokens
        for turn in ready:
            cached = turn.hit + turn.prefilled
            tokens = min(turn.prompt - cached, left)
            chunks.append(Chunk(turn, cached, tokens, not turn.prefilled, cached + tokens == turn.prompt))
            left -= tokens
            if not left:
                break
        return chunks, sum(self._attention_s(chunk.cached, chunk.tokens) for chunk in chunks)


Batching = ComputeQuota | TokenBudget
