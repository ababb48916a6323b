"""From the fields of a config to the shape of the model, for the architectures that are modelled; all others are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dualpath_lab.models.attention import GroupedQuery, Indexer, Latent
from dualpath_lab.models.config import Config
from dualpath_lab.models.leftovers import refuse_unread, unknown_type
from dualpath_lab.models.reaches import read_reaches
from dualpath_lab.models.shape import Experts, Shape


class _Family(NamedTuple):
    """How the configs of a model type are read; ``reaches`` is the rule of :func:`read_reaches`."""

    read: Callable[[Config, _Family], Shape]
    reaches: str = "full"
    tied: bool = False
    sparse: bool = False


def read_shape(config: Config) -> Shape:
    """The shape that a config describes.

    Raises
    ------
    ScenarioError
        If the architecture is not modelled, or a field is missing, wrong or not understood.
    """
    model_type = config.value("model_type")
    if not isinstance(model_type, str) or model_type not in _FAMILIES:
        raise unknown_type(config, _FAMILIES)
    family = _FAMILIES[model_type]
    shape = family.read(config, family)
    refuse_unread(config)
    return shape


def _dense(config: Config, family: _Family) -> Shape:
    layers = config.integer("num_hidden_layers")
    return _decoder(config, family, _grouped_query(config), dense_layers=layers, dense_width=config.integer("intermediate_size"))


def _gemma3(config: Config, family: _Family) -> Shape:
    """Published configs leave out what equals the defaults of Hugging Face's class."""
    heads = config.integer("num_attention_heads", default=8)
    attention = GroupedQuery(
        heads=heads,
        kv_heads=_kv_heads(config, heads, default=4),
        head_dim=config.integer("head_dim", default=256),
    )
    layers, vocab = config.integer("num_hidden_layers"), config.integer("vocab_size", default=262_208)
    width = config.integer("intermediate_size")
    return _decoder(config, family, attention, dense_layers=layers, dense_width=width, vocab=vocab)


def _all_experts(config: Config, family: _Family) -> Shape:
    """Experts in every layer, as wide as ``intermediate_size``: Mixtral, GPT-OSS, MiniMax-M2."""
    layers = config.integer("num_hidden_layers")
    config.only("attn_type_list", [1] * layers)
    config.only("shared_intermediate_size", 0)
    experts = _experts(config, "num_local_experts", width=config.integer("intermediate_size"))
    return _decoder(config, family, _grouped_query(config), experts)


def _qwen_experts(config: Config, family: _Family) -> Shape:
    """Experts in every layer but ``mlp_only_layers``, with a shared one in Qwen2."""
    layers = config.integer("num_hidden_layers")
    config.only("decoder_sparse_step", 1)
    dense = config.get("mlp_only_layers", [])
    if not isinstance(dense, list) or not all(type(layer) is int and 0 <= layer < layers for layer in dense):
        raise config.refusal("mlp_only_layers", f"it should be a list of layers from 0 to {layers - 1}")
    shared = config.integer("shared_expert_intermediate_size", smallest=0) if config.value("model_type") == "qwen2_moe" else 0
    experts = _experts(config, "num_experts", width=config.integer("moe_intermediate_size"), shared_width=shared)
    dense_layers = len(set(dense))
    width = config.integer("intermediate_size") if dense_layers else config.integer("intermediate_size", default=1)
    return _decoder(config, family, _grouped_query(config), experts, dense_layers, width)


def _glm_experts(config: Config, family: _Family) -> Shape:
    """Grouped-query attention and DeepSeek's layers of experts."""
    return _decoder(config, family, _grouped_query(config), *_leading_dense(config))


def _llama4(config: Config, family: _Family) -> Shape:
    """Experts in each N-th layer, with a shared one as wide."""
    layers = config.integer("num_hidden_layers")
    step = config.integer("interleave_moe_layer_step", largest=layers)
    chosen = list(range(step - 1, layers, step))
    if config.get("moe_layers", chosen) != chosen:
        raise config.refusal("moe_layers", f"it should be every layer number {step}, as interleave_moe_layer_step says")
    width = config.integer("intermediate_size")
    experts = _experts(config, "num_local_experts", width=width, shared_width=width)
    return _decoder(config, family, _grouped_query(config), experts, layers - len(chosen), config.integer("intermediate_size_mlp"))


def _latent(config: Config, family: _Family) -> Shape:
    full_query = not family.sparse and config.has("q_lora_rank") and config.get("q_lora_rank") is None
    for unused in ("head_dim", "num_key_value_heads"):  # heads share one latent
        config.get(unused)
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


def _decoder(
    config: Config,
    family: _Family,
    attention: GroupedQuery | Latent,
    experts: Experts | None = None,
    dense_layers: int = 0,
    dense_width: int = 0,
    vocab: int | None = None,
) -> Shape:
    """What all types have in common."""
    config.only("is_encoder_decoder", False)
    layers = config.integer("num_hidden_layers")
    tied = config.shared("tie_word_embeddings")
    if tied not in (None, True, False):
        raise config.refusal("tie_word_embeddings", "it should be true or false")
    return Shape(
        layers=layers,
        hidden=config.integer("hidden_size"),
        vocab=config.integer("vocab_size") if vocab is None else vocab,
        attention=attention,
        dense_layers=dense_layers,
        dense_width=dense_width,
        experts=experts,
        reaches=read_reaches(config, layers, family.reaches),
        tied=family.tied if tied is None else tied,
    )


def _grouped_query(config: Config) -> GroupedQuery:
    heads = config.integer("num_attention_heads")
    return GroupedQuery(heads=heads, head_dim=_head_dim(config, heads), kv_heads=_kv_heads(config, heads))


def _kv_heads(config: Config, heads: int, default: int | None = None) -> int:
    kv_heads = config.integer("num_key_value_heads", largest=heads, default=default)
    if heads % kv_heads:
        raise config.refusal("num_key_value_heads", f"it should divide num_attention_heads = {heads}: each is shared by equally many heads")
    return kv_heads


def _head_dim(config: Config, heads: int) -> int:
    if config.value("model_type") in _OWN_HEAD_DIM or config.get("head_dim") is not None:
        return config.integer("head_dim")
    hidden = config.integer("hidden_size")
    if hidden % heads:
        raise config.refusal("num_attention_heads", f"without head_dim it should divide hidden_size = {hidden}")
    return hidden // heads


def _experts(config: Config, count: str, width: int, shared_width: int = 0) -> Experts:
    routed = config.integer(count)
    return Experts(routed=routed, active=config.integer("num_experts_per_tok", largest=routed), width=width, shared_width=shared_width)


def _leading_dense(config: Config) -> tuple[Experts, int, int]:
    """Experts after some dense layers: the experts, the number and the width of the dense layers."""
    layers = config.integer("num_hidden_layers")
    config.only("moe_layer_freq", 1)
    width = config.integer("moe_intermediate_size")
    experts = _experts(config, "n_routed_experts", width, config.integer("n_shared_experts", smallest=0) * width)
    dense = config.integer("first_k_dense_replace", smallest=0, largest=layers)
    return experts, dense, config.integer("intermediate_size")


_OWN_HEAD_DIM = (
    *("qwen3", "qwen3_moe", "qwen3_vl_text", "qwen3_vl_moe_text"),
    *("gemma", "gemma2", "gpt_oss", "glm", "glm4", "glm4_moe", "minimax_m2"),
)
"""Types whose head size is not hidden size / heads, nor the same default in all versions."""

_FAMILIES = {
    "llama": _Family(_dense),
    "mistral": _Family(_dense, "all"),
    "qwen2": _Family(_dense, "late"),
    "qwen2_vl": _Family(_dense, "late"),
    "qwen2_vl_text": _Family(_dense, "late"),
    "qwen2_5_vl": _Family(_dense, "late"),
    "qwen2_5_vl_text": _Family(_dense, "late"),
    "qwen3": _Family(_dense, "late"),
    "qwen3_vl_text": _Family(_dense, "late"),
    "phi3": _Family(_dense, "all"),
    "gemma": _Family(_dense, tied=True),
    "gemma2": _Family(_dense, "every 2", tied=True),
    "gemma3_text": _Family(_gemma3, "every 6", tied=True),
    "glm": _Family(_dense),
    "glm4": _Family(_dense),
    "mixtral": _Family(_all_experts, "all"),
    "gpt_oss": _Family(_all_experts, "every 2"),
    "minimax_m2": _Family(_all_experts),
    "qwen2_moe": _Family(_qwen_experts, "late"),
    "qwen3_moe": _Family(_qwen_experts, "late"),
    "qwen3_vl_moe_text": _Family(_qwen_experts, "late"),
    "glm4_moe": _Family(_glm_experts),
    "llama4_text": _Family(_llama4, "chunks"),
    "deepseek_v2": _Family(_latent),
    "deepseek_v3": _Family(_latent),
    "kimi_k2": _Family(_latent),
    "deepseek_v32": _Family(_latent, sparse=True),
    "glm_moe_dsa": _Family(_latent, sparse=True),
}
