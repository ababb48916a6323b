"""Fields of a config that nobody read: a silently wrong number is worse than none.

A shape is right only if every field that bears on it was taken into account. So a field that was not read and whose name speaks of
attention, layers, experts and the like is refused, unless it is known to leave bytes and FLOPs alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from dualpath_lab.models.config import Config
from dualpath_lab.scenario import ScenarioError

_RECURRENT = (
    *("mamba", "ssm", "linear_attn", "linear_num", "linear_key", "linear_value", "linear_conv", "hybrid_override_pattern"),
    *(
        "attn_layer_period",
        "attn_type_list",
        "state_size",
        "lru_",
        "rwkv",
        "recurrent",
        "conv_L_cache",
        "full_attention_interval",
        "time_mix",
    ),
    *("layers_block_type", "full_attn_idxs"),
)
"""Beginnings of names that only models with layers of linear attention or state space have."""
_STRUCTURE = {
    "cross_attention_layers": "layers that attend to another sequence are not modelled",
    "is_encoder_decoder": "models of an encoder and a decoder are not modelled",
    "num_kv_shared_layers": "layers that use the KV-cache of others are not modelled",
}
"""Fields that tell why a type is not modelled."""
_TELLING = (
    *("attn", "attention", "head", "layer", "kv", "expert", "moe", "window", "sparse", "index", "lora", "rank", "latent", "linear"),
    *("conv", "cross", "share", "compress", "hybrid", "pattern", "encoder", "intermediate", "hidden", "dim", "width", "mlp", "ffn"),
    *("chunk", "block", "memory", "ngram", "altup", "laurel", "state", "mamba", "ssm", "size"),
)
"""Parts of names that may bear on bytes or FLOPs."""
_MARKING = ("linear", "mamba", "ssm", "conv", "cross", "sparse", "share", "compress", "hybrid", "window", "encoder", "recurrent", "ngram")
"""Those that do so even where the value is no size, but a mark, a word or a rate."""
_HARMLESS = frozenset(
    [
        *("attention_bias", "attention_dropout", "attn_pdrop", "attn_logit_softcapping", "attn_scale", "attn_temperature_tuning"),
        *("attention_multiplier", "use_attention_bias", "attn_implementation", "_attn_implementation", "_attn_implementation_autoset"),
        *("hidden_act", "hidden_activation", "hidden_dropout", "hidden_dropout_prob", "mlp_bias", "mlp_dropout", "lm_head_bias"),
        *("layer_norm_eps", "layer_norm_epsilon", "layernorm_epsilon", "qk_layernorm", "use_qk_norm", "query_pre_attn_scalar"),
        *("layernorm_full_attention_beta", "layernorm_linear_attention_beta", "layernorm_mlp_beta"),
        *("output_hidden_states", "output_attentions", "router_aux_loss_coef", "mtp_transformer_layers", "num_nextn_predict_layers"),
        *("rotary_dim", "qk_head_dim", "rope_head_dim", "indexer_rope_interleave", "index_rope_interleave", "ep_size"),
        *(
            "sliding_window_size",
            "cache_implementation",
            "experts_per_token",
            "moe_router_dtype",
            "use_sliding_window",
            "max_window_layers",
        ),
    ]
)


def refuse_unread(config: Config, model_type: str, harmless: Iterable[str] = ()) -> None:
    """Raise if a field that may bear on the shape was not read.

    Parameters
    ----------
    config : Config
    model_type : str
        As what it was read.
    harmless : iterable of str
        More fields that leave bytes and FLOPs alone in models of this type.

    Raises
    ------
    ScenarioError
        It names the field.
    """
    known = _HARMLESS.union(harmless)
    suspects = [name for name in config.unread() if name not in known and _tells(name, config.get(name))]
    if suspects:
        worst = min(suspects, key=lambda name: not any(part in name for part in _MARKING))
        raise config.refusal(worst, f"what it changes in a model of type {model_type!r} is not known here")


def _tells(name: str, value: object) -> bool:
    is_size = type(value) is int or isinstance(value, list | dict) or (isinstance(value, float) and not 0 < value < 1)
    return any(part in name for part in (_TELLING if is_size else _MARKING))


def unknown_type(config: Config, known: Iterable[str]) -> ScenarioError:
    """The error for a type that is not modelled; it names the field that tells why, where there is one."""
    for name in config.names():
        if name in _STRUCTURE:
            return config.refusal(name, _STRUCTURE[name])
        if name.startswith(_RECURRENT):
            return config.refusal(name, "layers of linear attention or state space are not modelled")
    types = config.get("layer_types")
    if isinstance(types, list) and any(str(one).startswith(("linear", "mamba", "conv", "recurrent")) for one in types):
        return config.refusal("layer_types", "layers of linear attention or state space are not modelled")
    every = set(known)
    heads = sorted(name for name in every if not any(name.startswith(f"{other}_") for other in every))
    return config.refusal("model_type", f"it should be one of {', '.join(heads)} or a kind of these, such as qwen3_moe, that is modelled")
