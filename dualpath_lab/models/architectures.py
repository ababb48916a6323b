"""From the fields of a config to the shape of the decoder, for each way in which published configs describe one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dualpath_lab.models.attention import GroupedQuery, Indexer, Latent
from dualpath_lab.models.config import Config
from dualpath_lab.models.reaches import read_reaches
from dualpath_lab.models.shape import Experts, Reach, Shape

_EXPERT_COUNTS = ("n_routed_experts", "num_experts", "num_local_experts")
"""Names of one thing: transformers 5 writes some models' experts by another of them than transformers 4."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """How the configs of a model type are read.

    Parameters
    ----------
    read : callable
        One of this module's functions.
    reaches : str
        The rule of :func:`read_reaches`.
    tied : bool
        Whether head and embedding are one table where the config does not say.
    sparse : bool
        Whether attention is sparse.
    matrices : int
        As in :class:`Shape`.
    head_dim : int, optional
        Where the config does not say: None or 0, hidden size / heads, which is worth a note with 0 as few models of the type are so.
    own_kv_heads : bool
        Whether each head has its own keys and values where the config does not say.
    shared_width : str, optional
        The field with the width of the shared experts.
    defaults : mapping
        Of the class in transformers 5, for decoders in the config of a larger model, which leave out what equals them.
    harmless : tuple of str
        Fields that leave bytes and FLOPs alone in models of this type.
    """

    read: Callable[[Config, Family], Shape]
    reaches: str = "full"
    tied: bool = False
    sparse: bool = False
    matrices: int = 3
    head_dim: int | None = None
    own_kv_heads: bool = False
    shared_width: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    harmless: tuple[str, ...] = ()


def dense(config: Config, family: Family) -> Shape:
    """Grouped-query attention and plain feed-forward networks."""
    layers = config.integer("num_hidden_layers")
    return _decoder(config, family, _grouped_query(config, family), dense_layers=layers, dense_width=config.integer("intermediate_size"))


def all_experts(config: Config, family: Family) -> Shape:
    """Experts in every layer, as wide as ``intermediate_size``: Mixtral, GPT-OSS, MiniMax-M2."""
    layers = config.integer("num_hidden_layers")
    config.only("attn_type_list", [1] * layers)
    config.only("shared_intermediate_size", 0)
    experts = _experts(config, "num_local_experts", width=config.integer("intermediate_size"))
    return _decoder(config, family, _grouped_query(config, family), experts)


def qwen_experts(config: Config, family: Family) -> Shape:
    """Experts in every layer but ``mlp_only_layers``, with a shared one in Qwen2."""
    layers = config.integer("num_hidden_layers")
    config.only("decoder_sparse_step", 1)
    plain = config.get("mlp_only_layers", [])
    if not isinstance(plain, list) or not all(type(layer) is int and 0 <= layer < layers for layer in plain):
        raise config.refusal("mlp_only_layers", f"it should be a list of layers from 0 to {layers - 1}")
    shared = config.integer(family.shared_width, smallest=0) if family.shared_width else 0
    experts = _experts(config, "num_experts", width=config.integer("moe_intermediate_size"), shared_width=shared)
    dense_layers = len(set(plain))
    width = config.integer("intermediate_size") if dense_layers else config.integer("intermediate_size", default=1)
    return _decoder(config, family, _grouped_query(config, family), experts, dense_layers, width)


def leading_dense(config: Config, family: Family) -> Shape:
    """Grouped-query attention and DeepSeek's layers of experts."""
    return _decoder(config, family, _grouped_query(config, family), *_leading_dense(config))


def llama4(config: Config, family: Family) -> Shape:
    """Experts in each N-th layer, with a shared one as wide."""
    layers = config.integer("num_hidden_layers")
    step = config.integer("interleave_moe_layer_step", largest=layers)
    chosen = list(range(step - 1, layers, step))
    if config.get("moe_layers", chosen) != chosen:
        raise config.refusal("moe_layers", f"it should be every layer number {step}, as interleave_moe_layer_step says")
    width = config.integer("intermediate_size")
    experts = _experts(config, "num_local_experts", width=width, shared_width=width)
    plain = layers - len(chosen)
    return _decoder(config, family, _grouped_query(config, family), experts, plain, config.integer("intermediate_size_mlp"))


def latent(config: Config, family: Family) -> Shape:
    """Multi-head latent attention and DeepSeek's layers of experts; small ones without latents keep keys and values as others do."""
    if config.get("use_mla") is False:
        for unused in ("kv_lora_rank", "q_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"):
            config.get(unused)
        return leading_dense(config, family)
    config.only("use_mla", True)
    full_query = not family.sparse and config.has("q_lora_rank") and config.get("q_lora_rank") is None
    for unused in ("head_dim", "num_key_value_heads"):  # heads share one latent
        config.get(unused)
    layers = config.integer("num_hidden_layers")
    config.only("indexer_types", ["full"] * layers)
    attention = Latent(
        heads=config.integer("num_attention_heads"),
        q_rank=None if full_query else config.integer("q_lora_rank"),
        kv_rank=config.integer("kv_lora_rank"),
        rope_dim=config.integer("qk_rope_head_dim"),
        nope_dim=config.integer("qk_nope_head_dim"),
        v_dim=config.integer("v_head_dim"),
        indexer=Indexer(*map(config.integer, ("index_n_heads", "index_head_dim", "index_topk"))) if family.sparse else None,
    )
    return _decoder(config, family, attention, *_leading_dense(config))


def mimo_v2(config: Config, family: Family) -> Shape:
    """Layers with a window that have heads of their own, and DeepSeek's layers of experts."""
    layers = config.integer("num_hidden_layers")
    for repeated in ("sliding_window_size", "attention_chunk_size"):
        config.get(repeated)
    everywhere = _mimo_heads(config, "")
    if config.has("swa_num_key_value_heads"):
        in_window = _mimo_heads(config, "swa_")
    else:  # as transformers 5 has it
        in_window = replace(everywhere, kv_heads=_shared_evenly(config, 2 * everywhere.kv_heads, everywhere.heads))
    reaches = tuple(replace(reach, attention=in_window) for reach in read_reaches(config, layers, family.reaches))
    config.only("n_shared_experts", None)
    return _decoder(config, family, everywhere, *_leading_dense(config, shared=False), reaches=reaches)


def falcon(config: Config, family: Family) -> Shape:
    """One head of keys and values for all, a few in newer ones, or one for each."""
    layers, heads = config.integer("num_hidden_layers"), config.integer("num_attention_heads")
    hidden = config.integer("hidden_size")
    if config.get("new_decoder_architecture", False) is True:
        kv_heads = config.integer("num_kv_heads", largest=heads)
    else:
        config.get("num_kv_heads")
        kv_heads = 1 if config.get("multi_query", True) is True else heads
    attention = GroupedQuery(heads=heads, kv_heads=kv_heads, head_dim=_divided(config, hidden, heads))
    width = config.integer("ffn_hidden_size", default=4 * hidden)
    return _decoder(config, family, attention, dense_layers=layers, dense_width=width)


def gpt(config: Config, family: Family) -> Shape:
    """GPT-2 and its kin, by the names of that time."""
    layers, heads, hidden = (config.integer(name) for name in ("n_layer", "n_head", "n_embd"))
    kv_heads = 1 if config.get("multi_query", False) is True else heads
    attention = GroupedQuery(heads=heads, kv_heads=kv_heads, head_dim=_divided(config, hidden, heads))
    width = config.integer("n_inner", default=4 * hidden)
    return _decoder(config, family, attention, dense_layers=layers, dense_width=width, hidden=hidden, layers=layers)


def chatglm(config: Config, family: Family) -> Shape:
    """ChatGLM and GLM-4-9B, by their own names."""
    config.get("num_hidden_layers")  # num_layers once more
    layers, heads = config.integer("num_layers"), config.integer("num_attention_heads")
    kv_heads = config.integer("multi_query_group_num", largest=heads) if config.get("multi_query_attention") is True else heads
    attention = GroupedQuery(heads=heads, kv_heads=kv_heads, head_dim=config.integer("kv_channels"))
    width, vocab = config.integer("ffn_hidden_size"), config.integer("padded_vocab_size")
    return _decoder(config, family, attention, dense_layers=layers, dense_width=width, layers=layers, vocab=vocab)


def _decoder(
    config: Config,
    family: Family,
    attention: GroupedQuery | Latent,
    experts: Experts | None = None,
    dense_layers: int = 0,
    dense_width: int = 0,
    *,
    layers: int | None = None,
    hidden: int | None = None,
    vocab: int | None = None,
    reaches: tuple[Reach, ...] | None = None,
) -> Shape:
    """What all types have in common."""
    config.only("is_encoder_decoder", False)
    layers = config.integer("num_hidden_layers") if layers is None else layers
    tied = config.shared("tie_word_embeddings")
    if tied not in (None, True, False):
        raise config.refusal("tie_word_embeddings", "it should be true or false")
    return Shape(
        layers=layers,
        hidden=config.integer("hidden_size") if hidden is None else hidden,
        vocab=config.integer("vocab_size") if vocab is None else vocab,
        attention=attention,
        dense_layers=dense_layers,
        dense_width=dense_width,
        experts=experts,
        reaches=read_reaches(config, layers, family.reaches) if reaches is None else reaches,
        tied=family.tied if tied is None else tied,
        matrices=family.matrices,
    )


def _grouped_query(config: Config, family: Family) -> GroupedQuery:
    heads = config.integer("num_attention_heads")
    if family.own_kv_heads and config.get("num_key_value_heads") is None:
        kv_heads: int = config.assume("num_key_value_heads", heads)
    else:
        kv_heads = config.integer("num_key_value_heads", largest=heads)
    return GroupedQuery(heads=heads, head_dim=_head_dim(config, heads, family.head_dim), kv_heads=_shared_evenly(config, kv_heads, heads))


def _mimo_heads(config: Config, prefix: str) -> GroupedQuery:
    names = ("num_attention_heads", "num_key_value_heads", "head_dim", "v_head_dim")
    heads, kv_heads, head_dim, value_dim = (config.integer(prefix + name) for name in names)
    return GroupedQuery(heads=heads, kv_heads=_shared_evenly(config, kv_heads, heads, prefix), head_dim=head_dim, value_dim=value_dim)


def _shared_evenly(config: Config, kv_heads: int, heads: int, prefix: str = "") -> int:
    if heads % kv_heads:
        raise config.refusal(
            f"{prefix}num_key_value_heads", f"it should divide {prefix}num_attention_heads = {heads}: each is shared by equally many heads"
        )
    return kv_heads


def _head_dim(config: Config, heads: int, default: int | None) -> int:
    hidden = config.integer("hidden_size")
    if default == 0 and not config.has("head_dim") and hidden % heads == 0:
        return int(config.assume("head_dim", hidden // heads))
    if config.get("head_dim") is not None or (default is not None and not config.has("head_dim")):
        return config.integer("head_dim")
    return _divided(config, hidden, heads)


def _divided(config: Config, hidden: int, heads: int) -> int:
    if hidden % heads:
        name = "num_attention_heads" if config.has("num_attention_heads") else "n_head"
        raise config.refusal(name, f"without head_dim it should divide hidden_size = {hidden}")
    return hidden // heads


def _experts(config: Config, count: str, width: int, shared_width: int = 0) -> Experts:
    said = [name for name in (count, *_EXPERT_COUNTS) if config.get(name) is not None]
    routed = config.integer(said[0] if said else count)
    for other in said[1:]:
        if config.get(other) != routed:
            raise config.refusal(other, f"it should be {said[0]} = {routed}")
    return Experts(routed=routed, active=config.integer("num_experts_per_tok", largest=routed), width=width, shared_width=shared_width)


def _leading_dense(config: Config, shared: bool = True) -> tuple[Experts, int, int]:
    """Experts after some dense layers: the experts, the number and the width of the dense layers."""
    layers = config.integer("num_hidden_layers")
    width = config.integer("moe_intermediate_size")
    none = not shared or (config.has("n_shared_experts") and config.get("n_shared_experts") is None)
    experts = _experts(config, "n_routed_experts", width, 0 if none else config.integer("n_shared_experts", smallest=0) * width)
    return experts, _dense_layers(config, layers), config.integer("intermediate_size")


def _dense_layers(config: Config, layers: int) -> int:
    """How many layers have no experts: a list with a word or a number for each tells, or the number of those that lead."""
    counts = {}
    for name, plain, others in (("mlp_layer_types", "dense", "sparse"), ("moe_layer_freq", 0, 1)):
        found = config.get(name)
        if isinstance(found, list) and len(found) == layers and all(type(one) is type(plain) and one in (plain, others) for one in found):
            counts[name] = found.count(plain)
        elif found is not None and (name, found) != ("moe_layer_freq", 1):
            one = " or 1" if name == "moe_layer_freq" else ""
            raise config.refusal(name, f"it should be a list of {layers} times {plain!r} or {others!r}{one}")
    if config.has("first_k_dense_replace") or not counts:
        counts["first_k_dense_replace"] = config.integer("first_k_dense_replace", smallest=0, largest=layers)
    if len(set(counts.values())) > 1:
        first, other, *_ = counts
        raise config.refusal(first, f"{other} says that {counts[other]} layers have no experts, and it says {counts[first]}")
    return next(iter(counts.values()))
