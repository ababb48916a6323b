"""How many tokens of which requests one prefill engine puts into its next forward (section 7, intra-engine)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dualpath_lab.core.turn import Turn
from dualpath_lab.models import Model


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
    model : Model
        Whose attention is predicted.
    attention_flops_per_s : float
        Rate of one GPU.
    quota_s : float
        Attention time of one forward.
    """

    def __init__(self, model: Model, attention_flops_per_s: float, quota_s: float) -> None:
        self._model = model
        self._quota_flops = attention_flops_per_s * quota_s

    def pack(self, ready: Iterator[Turn]) -> tuple[list[Chunk], float]:
        """Choose the next forward's chunks among requests that are ready, first come first.

        At least one token is chosen, so that a quota too short for any can't stop the engine.

        Returns
        -------
        chunks : list of Chunk
        attention_flops : float
            Of all of them.
        """
        chunks: list[Chunk] = []
        spent = 0.0
        for turn in ready:
            cached = turn.hit + turn.prefilled
            left = turn.prompt - cached
            tokens, flops = left, self._model.attention_flops(cached, left)
            if spent + flops > self._quota_flops:
                tokens, flops = self._most_that_fit(cached, tokens, flops, self._quota_flops - spent)
                if tokens == 0:
                    if chunks:
                        break
                    tokens, flops = 1, self._model.attention_flops(cached, 1)
            spent += flops
            chunks.append(Chunk(turn, cached, tokens, not turn.prefilled, tokens == left))
            if tokens < left:
                break
        return chunks, spent

    def _most_that_fit(self, cached: int, too_many: int, too_many_flops: float, quota_flops: float) -> tuple[int, float]:
        """The most tokens whose attention keeps to the quota, and their FLOPs: the secant method, and bisection where that leads astray."""
        fits, fits_flops = last, last_flops = 0, 0.0
        tried, flops = too_many, too_many_flops
        while too_many - fits > 1:
            expected = last + (quota_flops - last_flops) * (tried - last) / (flops - last_flops)
            if not fits <= expected < too_many:
                expected = (fits + too_many) / 2
            last, last_flops = tried, flops
            tried = min(int(expected) + 1, too_many - 1)
            flops = self._model.attention_flops(cached, tried)
            if flops <= quota_flops:
                fits, fits_flops = tried, flops
            else:
                too_many = tried
        return fits, fits_flops


class TokenBudget:
    """Plain FIFO packing up to a fixed number of new tokens, whatever their attention costs."""

    def __init__(self, model: Model, tokens: int) -> None:
        self._model = model
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
        return chunks, sum(self._model.attention_flops(chunk.cached, chunk.tokens) for chunk in chunks)


Batching = ComputeQuota | TokenBudget
