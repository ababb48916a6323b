"""What the simulation needs to know of a model: bytes of KV-cache, FLOPs and weights, all layers together (reference section 8)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Window:
    """Layers that attend to ``tokens`` positions at most and keep the KV-cache of no others.

    Parameters
    ----------
    tokens : int
        The latest positions, the token's own included; or with ``chunked`` the length of the chunks into which the text is cut, each
        token seeing its own chunk only.
    kv_bytes_per_token, flops_per_pair : int
        As in :class:`Model`, of these layers.
    """

    tokens: int
    kv_bytes_per_token: int
    flops_per_pair: int
    chunked: bool = False

    def kept(self, context: int) -> int:
        """Tokens of a context whose KV-cache is kept."""
        return context % self.tokens if self.chunked else min(context, self.tokens)

    def pairs(self, positions: int) -> int:
        """Pairs of a position and one it attends to, over the first ``positions``."""
        if not self.chunked:
            return _capped_pairs(positions, self.tokens)
        chunks, rest = divmod(positions, self.tokens)
        return chunks * _causal_pairs(self.tokens) + _causal_pairs(rest)


@dataclass(frozen=True)
class Model:
    """What the simulation needs to know of a model; all figures are of the whole model, all layers.

    Parameters
    ----------
    name : str
        Preset or config.
    layers : int
        Decoder layers.
    kv_bytes_per_token : int
        KV-cache that a token leaves, indexer keys included, in its storage type.
    total_parameters, active_parameters : int
        All; and those a token passes through, without the embedding table, with the head.
    weight_bytes, routed_weight_bytes : int
        All parameters as served, and those of the routed experts among them.
    expert_parallel : bool
        EP + DP for a mixture of experts, DP alone for a dense model (reference section 10).
    buffer_bytes_per_node : int
        DRAM of a node for PE / DE buffers (reference section 2).
    core_flops_per_pair, indexer_flops_per_pair : int
        FLOPs for one query position against one earlier (or the same) position; layers with a window not included.
    indexer_bytes_per_token : int
        The indexer's part of ``kv_bytes_per_token``.
    top_k : int, optional
        Positions that sparse attention attends to; all of them when None.
    routed_experts, active_experts : int
        Routed experts of a layer, and those of them that a token meets.
    exchange_bytes_per_token : int
        What a token sends to one other node of its expert-parallel group and gets back, all layers.
    windows : tuple of Window
        Layers that attend to, and keep, a window only.
    kv_dtype : str
        Storage type of the KV-cache.
    max_positions : int, optional
        Longest context that the model is made for (``max_position_embeddings``), where that is known.
    notes : tuple of str
        How it was read: a sentence each on the types of KV-cache and weights, and on what is assumed.
    doubts : tuple of str
        Sentences on what a run's results rest on and the config did not say.
    """

    name: str
    layers: int
    kv_bytes_per_token: int
    total_parameters: int
    active_parameters: int
    weight_bytes: int
    routed_weight_bytes: int
    expert_parallel: bool
    buffer_bytes_per_node: int
    core_flops_per_pair: int
    indexer_flops_per_pair: int = 0
    indexer_bytes_per_token: int = 0
    top_k: int | None = None
    routed_experts: int = 0
    active_experts: int = 0
    exchange_bytes_per_token: int = 0
    windows: tuple[Window, ...] = ()
    kv_dtype: str = "bf16"
    max_positions: int | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)
    doubts: tuple[str, ...] = field(default=(), compare=False)

    def cautions(self, context: int) -> list[str]:
        """What to know beside figures of a context of so many tokens, a sentence each."""
        if self.max_positions is None or context <= self.max_positions:
            return list(self.doubts)
        beyond = f"{context:,} tokens are more than the {self.max_positions:,} that {self.name} is made for (max_position_embeddings)."
        return [*self.doubts, beyond]

    @property
    def linear_up_to(self) -> int | None:
        """Longest context whose KV-cache is ``kv_bytes_per_token`` times its tokens; None where every one is."""
        return min((window.tokens - window.chunked for window in self.windows), default=None)

    def kv_bytes(self, context: int) -> int:
        """KV-cache kept of a context, which is what a hit on all of it loads; of a layer with a window, the window's."""
        kept = self.kv_bytes_per_token * context
        for window in self.windows:
            kept -= window.kv_bytes_per_token * (context - window.kept(context))
        return kept

    def attention_flops(self, cached: int, computed: int) -> float:
        """FLOPs of attention over all layers for ``computed`` new tokens after ``cached`` cached ones.

        The exact sum over the new positions: each attends to itself and all before it, to ``top_k`` of them at most where attention is
        sparse, to its window where a layer has one; the indexer scores them all.
        """
        positions = cached + computed
        pairs = computed * (cached + positions + 1) // 2
        if self.top_k is None:
            attended = pairs
        elif cached >= self.top_k:
            attended = computed * self.top_k
        else:
            attended = _capped_pairs(positions, self.top_k) - _capped_pairs(cached, self.top_k)
        flops = self.core_flops_per_pair * attended + self.indexer_flops_per_pair * pairs
        for window in self.windows:
            flops += window.flops_per_pair * (window.pairs(positions) - window.pairs(cached))
        return float(flops)

    def linear_flops(self, computed: int) -> float:
        """FLOPs of everything but attention for ``computed`` tokens: two for each active parameter."""
        return 2.0 * self.active_parameters * computed

    def flops(self, cached: int, computed: int) -> float:
        """FLOPs of a prefill of ``computed`` tokens after ``cached`` ones."""
        return self.linear_flops(computed) + self.attention_flops(cached, computed)

    def weight_bytes_per_gpu(self, gpus: int) -> float:
        """Weights that each GPU of an expert-parallel group holds: everything but the routed experts, and its part of those."""
        return self.weight_bytes - self.routed_weight_bytes + self.routed_weight_bytes / gpus

    def weight_read_bytes(self, tokens: int, gpus: int) -> float:
        """Weights that each GPU of an expert-parallel group reads for the ``tokens`` of all: of routed experts those that tokens meet.

        A token meets each expert with equal chance.
        """
        if not self.routed_experts:
            return float(self.weight_bytes)
        met = 1 - (1 - self.active_experts / self.routed_experts) ** tokens
        return self.weight_bytes - self.routed_weight_bytes + self.routed_weight_bytes * met / gpus

    def exchange_bytes(self, nodes: int) -> float:
        """All-to-all bytes, dispatch and combine, that a token moves across the network in an expert-parallel group of so many nodes.

        Its experts lie on any of the nodes with equal chance, it goes once to each node that has one, and to its own for nothing.
        """
        others = (nodes - 1) * (1 - (1 - 1 / nodes) ** self.active_experts)
        return self.exchange_bytes_per_token * others

    def decode_read_bytes(self, context: int) -> int:
        """KV bytes that one decode step reads for a sequence of ``context`` tokens: the attended ones and all indexer keys."""
        unread = 0 if self.top_k is None else max(context - self.top_k, 0)
        return self.kv_bytes(context) - (self.kv_bytes_per_token - self.indexer_bytes_per_token) * unread


def _causal_pairs(positions: int) -> int:
    return positions * (positions + 1) // 2


def _capped_pairs(positions: int, cap: int) -> int:
    return _causal_pairs(positions) if positions <= cap else _causal_pairs(cap) + cap * (positions - cap)
