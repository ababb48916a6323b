"""What a model is made of, and the published models that have a name here.

A shape counts a transformer's matrices: parameters, KV elements a token, FLOPs a pair of positions. Norms and biases, below
0.1 %, are left out, and so are multi-token-prediction layers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """Dimensions that every decoder has.

    Parameters
    ----------
    layers, hidden, vocab, heads : int
        Decoder layers, hidden size, vocabulary, query heads a layer.
    tied : bool
        Whether the output head is the embedding table.
    """

    layers: int
    hidden: int
    vocab: int
    heads: int
    tied: bool = False

    @property
    def head_parameters(self) -> int:
        """Parameters of the output head."""
        return self.vocab * self.hidden

    @property
    def embedding_parameters(self) -> int:
        """Parameters of an embedding table of its own."""
        return 0 if self.tied else self.head_parameters


@dataclass(frozen=True, kw_only=True)
class GroupedQuery(Transformer):
    """Grouped-query attention over the whole context, and a dense gated feed-forward network."""

    expert_parallel: ClassVar[bool] = False
    indexer: ClassVar[None] = None
    indexer_elements: ClassVar[int] = 0
    indexer_flops: ClassVar[int] = 0
    active: ClassVar[int] = 0
    exchanged_elements: ClassVar[int] = 0

    kv_heads: int
    head_dim: int
    dense_width: int

    @property
    def kv_elements(self) -> int:
        """Keys and values that a token leaves, all layers."""
        return self.layers * 2 * self.kv_heads * self.head_dim

    @property
    def core_flops(self) -> int:
        """FLOPs of scores and values for a pair of positions, all layers."""
        return self.layers * self.heads * 2 * (self.head_dim + self.head_dim)

    @cached_property
    def active_parameters(self) -> int:
        """Parameters that a token passes through, the embedding table left out."""
        attention = self.hidden * self.head_dim * 2 * (self.heads + self.kv_heads)
        return self.layers * (attention + _gated(self.hidden, self.dense_width)) + self.head_parameters

    @property
    def total_parameters(self) -> int:
        """All parameters."""
        return self.active_parameters + self.embedding_parameters


@dataclass(frozen=True)
class Indexer:
    """Sparse attention's selector: every query scores all earlier keys of ``head_dim`` elements and attends to the ``top_k`` best."""

    heads: int
    head_dim: int
    top_k: int


@dataclass(frozen=True, kw_only=True)
class LatentMoe(Transformer):
    """Multi-head latent attention, absorbed, with routed experts after ``dense_layers`` dense ones.

    Parameters
    ----------
    q_rank : int, optional
        Rank of the query projection; full when left out.
    kv_rank, rope_dim : int
        Elements of a token's latent and of its rotary key: what one layer caches.
    nope_dim, v_dim : int
        Elements of a head's position-free query and of its value.
    routed, active, shared, expert_width : int
        Routed experts, those of them a token meets, shared ones, and the width of each.
    dense_layers, dense_width : int
        Leading layers without experts and their width.
    indexer : Indexer, optional
        Present in sparse attention only.
    """

    expert_parallel: ClassVar[bool] = True

    q_rank: int | None
    kv_rank: int = 512
    rope_dim: int = 64
    nope_dim: int = 128
    v_dim: int = 128
    routed: int
    active: int
    shared: int
    expert_width: int
    dense_layers: int
    dense_width: int
    indexer: Indexer | None = None

    @property
    def exchanged_elements(self) -> int:
        """Hidden elements that a token takes to its experts, and as many that it brings back, all layers."""
        return (self.layers - self.dense_layers) * self.hidden

    @property
    def indexer_elements(self) -> int:
        """Indexer keys that a token leaves, all layers."""
        return self.layers * self.indexer.head_dim if self.indexer else 0

    @property
    def kv_elements(self) -> int:
        """Latent, rotary key and indexer key that a token leaves, all layers."""
        return self.layers * (self.kv_rank + self.rope_dim) + self.indexer_elements

    @property
    def core_flops(self) -> int:
        """FLOPs of scores (latent and rotary) and values (latent) for a pair of positions, all layers."""
        return self.layers * self.heads * 2 * (self.kv_rank + self.rope_dim + self.kv_rank)

    @property
    def indexer_flops(self) -> int:
        """FLOPs of the indexer for a pair of positions, all layers."""
        return self.layers * self.indexer.heads * 2 * self.indexer.head_dim if self.indexer else 0

    @cached_property
    def active_parameters(self) -> int:
        """Parameters that a token passes through, the embedding table left out."""
        return self._parameters(self.active)

    @cached_property
    def total_parameters(self) -> int:
        """All parameters."""
        return self._parameters(self.routed) + self.embedding_parameters

    def _parameters(self, routed: int) -> int:
        experts = self.hidden * self.routed + (routed + self.shared) * _gated(self.hidden, self.expert_width)
        attention = self.layers * (self._attention_parameters() + self._indexer_parameters())
        dense = self.dense_layers * _gated(self.hidden, self.dense_width)
        return attention + dense + (self.layers - self.dense_layers) * experts + self.head_parameters

    def _attention_parameters(self) -> int:
        queries = self.heads * (self.nope_dim + self.rope_dim)
        query = self.hidden * queries if self.q_rank is None else self.q_rank * (self.hidden + queries)
        down = self.hidden * (self.kv_rank + self.rope_dim)
        up = self.kv_rank * self.heads * (self.nope_dim + self.v_dim)
        return query + down + up + self.heads * self.v_dim * self.hidden

    def _indexer_parameters(self) -> int:
        if self.indexer is None:
            return 0
        queries = (self.q_rank or self.hidden) * self.indexer.heads * self.indexer.head_dim
        return queries + self.hidden * (self.indexer.head_dim + self.indexer.heads)


def _gated(hidden: int, width: int) -> int:
    return 3 * hidden * width


_DEEPSEEK_V3 = LatentMoe(
    layers=61,
    hidden=7168,
    vocab=129280,
    heads=128,
    q_rank=1536,
    routed=256,
    active=8,
    shared=1,
    expert_width=2048,
    dense_layers=3,
    dense_width=18432,
)

LATENT_MOE: dict[str, LatentMoe] = {
    # DeepSeek-V3.2, which is DeepSeek-V3 with sparse attention.
    "ds-660b": replace(_DEEPSEEK_V3, indexer=Indexer(heads=64, head_dim=128, top_k=2048)),
    "ds-v3": _DEEPSEEK_V3,
    # Internal to the DualPath authors, no config is public (reference section 8). Assumed: q_rank, kv_rank, rope_dim, nope_dim, v_dim
    # and vocab, all as in DeepSeek-V3; 27.1 B parameters then.
    "ds-27b": LatentMoe(
        layers=30,
        hidden=2560,
        vocab=129280,
        heads=32,
        q_rank=1536,
        indexer=Indexer(heads=32, head_dim=64, top_k=1024),
        routed=72,
        active=6,
        shared=2,
        expert_width=1536,
        dense_layers=1,
        dense_width=12288,
    ),
    "glm-5": LatentMoe(
        layers=78,
        hidden=6144,
        vocab=154880,
        heads=64,
        q_rank=2048,
        nope_dim=192,
        v_dim=256,
        indexer=Indexer(heads=32, head_dim=128, top_k=2048),
        routed=256,
        active=8,
        shared=1,
        expert_width=2048,
        dense_layers=3,
        dense_width=12288,
    ),
}
"""Served with weights and KV-cache in FP8."""

GROUPED_QUERY: dict[str, GroupedQuery] = {
    # Qwen2.5-32B and Llama-3.1-70B.
    "qwen-32b": GroupedQuery(layers=64, hidden=5120, vocab=152064, heads=40, kv_heads=8, head_dim=128, dense_width=27648),
    "llama-70b": GroupedQuery(layers=80, hidden=8192, vocab=128256, heads=64, kv_heads=8, head_dim=128, dense_width=28672),
}
"""Served with weights in BF16 and KV-cache in FP16."""
