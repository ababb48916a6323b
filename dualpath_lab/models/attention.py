"""One attention layer: what it keeps of a token, what a pair of positions costs, how many parameters it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class GroupedQuery:
    """Query heads that share fewer heads of keys and values: one for all is multi-query, one for each is multi-head attention.

    Parameters
    ----------
    heads, kv_heads : int
        Of queries; of keys and of values.
    head_dim : int
        Elements of a query and of a key.
    value_dim : int, optional
        Of a value, where it differs.
    """

    indexer: ClassVar[None] = None

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int | None = None

    @property
    def kv_elements(self) -> int:
        """Keys and values that a token leaves."""
        return self.kv_heads * self._pair_dim

    @property
    def pair_flops(self) -> int:
        """FLOPs of scores and values for a pair of positions."""
        return self.heads * 2 * self._pair_dim

    def parameters(self, hidden: int) -> int:
        """Parameters of a layer whose hidden size is ``hidden``."""
        return hidden * self._pair_dim * (self.heads + self.kv_heads)

    @property
    def _pair_dim(self) -> int:
        """Elements of a key and a value."""
        return self.head_dim + (self.head_dim if self.value_dim is None else self.value_dim)


@dataclass(frozen=True)
class Indexer:
    """Sparse attention's selector: every query scores all earlier keys of ``head_dim`` elements and attends to the ``top_k`` best."""

    heads: int
    head_dim: int
    top_k: int

    @property
    def pair_flops(self) -> int:
        """FLOPs of scoring one earlier key."""
        return self.heads * 2 * self.head_dim


@dataclass(frozen=True, kw_only=True)
class Latent:
    """Multi-head latent attention, absorbed.

    Parameters
    ----------
    q_rank : int, optional
        Rank of the query projection; full when left out.
    kv_rank, rope_dim : int
        Elements of a token's latent and of its rotary key: what is cached.
    nope_dim, v_dim : int
        Elements of a head's position-free query and of its value.
    indexer : Indexer, optional
        Present in sparse attention only.
    """

    heads: int
    q_rank: int | None
    kv_rank: int = 512
    rope_dim: int = 64
    nope_dim: int = 128
    v_dim: int = 128
    indexer: Indexer | None = None

    @property
    def kv_elements(self) -> int:
        """Latent, rotary key and indexer key that a token leaves."""
        return self.kv_rank + self.rope_dim + (self.indexer.head_dim if self.indexer else 0)

    @property
    def pair_flops(self) -> int:
        """FLOPs of scores (latent and rotary) and values (latent) for a pair of positions."""
        return self.heads * 2 * (self.kv_rank + self.rope_dim + self.kv_rank)

    def parameters(self, hidden: int) -> int:
        """Parameters of a layer whose hidden size is ``hidden``."""
        queries = self.heads * (self.nope_dim + self.rope_dim)
        query = hidden * queries if self.q_rank is None else self.q_rank * (hidden + queries)
        down = hidden * (self.kv_rank + self.rope_dim)
        up = self.kv_rank * self.heads * (self.nope_dim + self.v_dim)
        return query + down + up + self.heads * self.v_dim * hidden + self._indexer_parameters(hidden)

    def _indexer_parameters(self, hidden: int) -> int:
        if self.indexer is None:
            return 0
        queries = (self.q_rank or hidden) * self.indexer.heads * self.indexer.head_dim
        return queries + hidden * (self.indexer.head_dim + self.indexer.heads)
