"""The model types that are modelled, and how a config tells which it is; all others are refused by name."""

from __future__ import annotations

import re
from typing import Any

from dualpath_lab.models.architectures import (
    Family,
    all_experts,
    chatglm,
    dense,
    falcon,
    gpt,
    latent,
    leading_dense,
    llama4,
    mimo_v2,
    qwen_experts,
)
from dualpath_lab.models.config import Config
from dualpath_lab.models.leftovers import refuse_unread, unknown_type
from dualpath_lab.models.shape import Shape


def read_shape(config: Config) -> Shape:
    """The shape that a config describes.

    Raises
    ------
    ScenarioError
        If the architecture is not modelled, or a field is missing, wrong or not understood.
    """
    name = _type_of(config)
    family = FAMILIES[name]
    later = {"head_dim": family.head_dim} if family.head_dim else {}
    if family.reaches.startswith("every"):
        later |= {key: value for key, value in family.defaults.items() if key == "sliding_window"}
    config.use_defaults(later, family.defaults)
    shape = family.read(config, family)
    refuse_unread(config, name, family.harmless)
    return shape


def read_max_positions(config: Config) -> int | None:
    """Longest context that the model is made for: ``max_position_embeddings``, or what YaRN stretches the original one to."""
    said = [config.get(name) for name in ("max_position_embeddings", "n_positions", "seq_length", "max_sequence_length")]
    longest = max((number for number in said if type(number) is int and number > 0), default=None)
    for rope in (config.get("rope_scaling"), config.get("rope_parameters")):
        if isinstance(rope, dict) and longest and "yarn" in (rope.get("type"), rope.get("rope_type")):
            original, factor = (rope.get(name) or 0 for name in ("original_max_position_embeddings", "factor"))
            if type(original) is int and type(factor) in (int, float) and 0 <= factor <= 1_000:
                longest = max(longest, int(original * factor))
    return longest


def _type_of(config: Config) -> str:
    """The type whose class ``architectures`` names, which is what engines load; else ``model_type``."""
    named, model_type = config.get("architectures"), config.get("model_type")
    for architecture in named if isinstance(named, list) else ():
        base = re.sub(r"(For[A-Z]\w*|LMHeadModel|Model)$", "", str(architecture))
        found = _BY_CLASS.get(base.replace("_", "").lower())
        if found is not None:
            if isinstance(model_type, str) and model_type in FAMILIES and FAMILIES[model_type].read is not FAMILIES[found].read:
                config.remarks.append(f"It is read as {found}, as architectures says, and not as model_type = {model_type!r}.")
            return found
    if isinstance(model_type, str) and model_type in FAMILIES:
        return model_type
    if model_type is None:
        config.value("model_type")
    raise unknown_type(config, FAMILIES)


def _class(vocab: int, hidden: int, width: int, layers: int, heads: int, kv_heads: int, **others: Any) -> dict[str, Any]:
    """A class's defaults."""
    sizes = {"vocab_size": vocab, "hidden_size": hidden, "intermediate_size": width, "num_hidden_layers": layers}
    return sizes | {"num_attention_heads": heads, "num_key_value_heads": kv_heads} | others


_QWEN_VL = _class(152064, 8192, 29568, 80, 64, 8)
_GLM_4 = _class(151552, 4096, 13696, 40, 32, 2)
_GLM_4_MOE = _class(
    *(151552, 4096, 10944, 46, 96, 8),
    **{"moe_intermediate_size": 1408, "num_experts_per_tok": 8, "n_routed_experts": 128, "n_shared_experts": 1, "first_k_dense_replace": 1},
)
_LATENT = {"kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
_DEEPSEEK_V2 = _class(102400, 4096, 11008, 32, 32, 32, n_shared_experts=2, n_routed_experts=64, first_k_dense_replace=0) | _LATENT
_DEEPSEEK_V3 = (
    _class(129280, 7168, 18432, 61, 128, 128, n_shared_experts=1, n_routed_experts=256, first_k_dense_replace=3)
    | {"moe_intermediate_size": 2048, "num_experts_per_tok": 8}
    | _LATENT
)

FAMILIES = {
    # Llama and those that are built alike
    "llama": Family(read=dense, own_kv_heads=True, defaults=_class(32000, 4096, 11008, 32, 32, 32)),
    "mistral": Family(read=dense, reaches="all", defaults=_class(32000, 4096, 14336, 32, 32, 8, sliding_window=4096)),
    "ministral3": Family(read=dense, reaches="all", head_dim=128, defaults=_class(131072, 4096, 14336, 34, 32, 8)),
    "qwen2": Family(read=dense, reaches="late", defaults=_class(151936, 4096, 22016, 32, 32, 32)),
    "qwen2_vl": Family(read=dense, reaches="late"),
    "qwen2_vl_text": Family(read=dense, reaches="late", defaults=_QWEN_VL),
    "qwen2_5_vl": Family(read=dense, reaches="late"),
    "qwen2_5_vl_text": Family(read=dense, reaches="late", defaults=_QWEN_VL),
    "qwen2_5_omni_text": Family(read=dense, reaches="late", defaults=_class(152064, 3584, 18944, 28, 28, 4)),
    "qwen3": Family(read=dense, reaches="late", head_dim=128, defaults=_class(151936, 4096, 22016, 32, 32, 32)),
    "qwen3_vl_text": Family(read=dense, reaches="late", head_dim=128, defaults=_class(151936, 4096, 22016, 32, 32, 32)),
    "mimo": Family(read=dense, reaches="late"),
    "phi3": Family(read=dense, reaches="all", own_kv_heads=True, defaults=_class(32064, 3072, 8192, 32, 32, 32)),
    "glm": Family(read=dense, head_dim=128, defaults=_GLM_4),
    "glm4": Family(read=dense, head_dim=128, defaults=_GLM_4),
    "glm4v_text": Family(read=dense, defaults=_GLM_4),
    "granite": Family(read=dense, own_kv_heads=True, defaults=_class(32000, 4096, 11008, 32, 32, 32)),
    "olmo": Family(read=dense, own_kv_heads=True),
    "olmo2": Family(read=dense, own_kv_heads=True),
    "olmo3": Family(read=dense, reaches="every 4", own_kv_heads=True),
    "cohere": Family(read=dense, tied=True, own_kv_heads=True, defaults=_class(256000, 8192, 22528, 40, 64, 64)),
    "cohere2": Family(
        read=dense,
        reaches="every 4",
        tied=True,
        own_kv_heads=True,
        defaults=_class(256000, 8192, 22528, 40, 64, 64, sliding_window=4096),
        harmless=("layer_switch", "order_of_interleaved_layers"),
    ),
    "exaone4": Family(read=dense, reaches="every 4", own_kv_heads=True),
    "smollm3": Family(read=dense, reaches="late", tied=True, harmless=("no_rope_layers", "no_rope_layer_interval")),
    "seed_oss": Family(read=dense, head_dim=128),
    "ernie4_5": Family(read=dense, tied=True, head_dim=128),
    "hunyuan_v1_dense": Family(read=dense, own_kv_heads=True),
    "stablelm": Family(read=dense),
    "internlm2": Family(read=dense, own_kv_heads=True, defaults=_class(103168, 4096, 11008, 32, 32, 32)),
    "internlm3": Family(read=dense),
    "gemma": Family(read=dense, tied=True, head_dim=256, defaults=_class(256000, 3072, 24576, 28, 16, 16)),
    "gemma2": Family(
        read=dense, reaches="every 2", tied=True, head_dim=256, defaults=_class(256000, 2304, 9216, 26, 8, 4, sliding_window=4096)
    ),
    "gemma3_text": Family(
        read=dense, reaches="every 6", tied=True, head_dim=256, defaults=_class(262208, 2304, 9216, 26, 8, 4, sliding_window=4096)
    ),
    # Feed-forward networks without a gate
    "starcoder2": Family(read=dense, reaches="all", tied=True, matrices=2),
    "phi": Family(read=dense, own_kv_heads=True, matrices=2),
    "nemotron": Family(read=dense, own_kv_heads=True, matrices=2),
    "arcee": Family(read=dense, own_kv_heads=True, matrices=2),
    "apertus": Family(read=dense, own_kv_heads=True, matrices=2),
    "gpt_neox": Family(read=dense, own_kv_heads=True, matrices=2),
    "falcon": Family(read=falcon, tied=True, matrices=2, harmless=("num_ln_in_parallel_attn",)),
    "gpt2": Family(read=gpt, tied=True, matrices=2),
    "gpt_bigcode": Family(read=gpt, tied=True, matrices=2, harmless=("attention_softmax_in_fp32", "scale_attention_softmax_in_fp32")),
    "chatglm": Family(read=chatglm),
    # Experts in every layer
    "mixtral": Family(
        read=all_experts, reaches="all", defaults=_class(32000, 4096, 14336, 32, 32, 8, num_local_experts=8, num_experts_per_tok=2)
    ),
    "phimoe": Family(read=all_experts, reaches="all"),
    "olmoe": Family(read=all_experts, own_kv_heads=True),
    "granitemoe": Family(read=all_experts, own_kv_heads=True),
    "gpt_oss": Family(read=all_experts, reaches="every 2", head_dim=64),
    "minimax_m2": Family(read=all_experts, head_dim=0),
    "qwen2_moe": Family(read=qwen_experts, reaches="late", shared_width="shared_expert_intermediate_size"),
    "qwen3_moe": Family(read=qwen_experts, reaches="late", head_dim=0),
    "qwen3_vl_moe_text": Family(read=qwen_experts, reaches="late", head_dim=128),
    "qwen3_omni_moe_text": Family(read=qwen_experts, reaches="late", head_dim=0),
    # Experts in most layers
    "llama4_text": Family(
        read=llama4,
        reaches="chunks",
        defaults=_class(202048, 5120, 8192, 48, 40, 8, head_dim=128)
        | {"intermediate_size_mlp": 16384, "num_local_experts": 16, "num_experts_per_tok": 1, "interleave_moe_layer_step": 1}
        | {"attention_chunk_size": 8192},
    ),
    "glm4_moe": Family(read=leading_dense, head_dim=0, defaults=_GLM_4_MOE),
    "glm4v_moe_text": Family(read=leading_dense, head_dim=0, defaults=_GLM_4_MOE),
    "dots1": Family(read=leading_dense, reaches="late", own_kv_heads=True),
    "deepseek": Family(read=leading_dense),
    "mimo_v2_flash": Family(read=mimo_v2, reaches="pattern"),
    # Latent attention
    "deepseek_v2": Family(read=latent, defaults=_DEEPSEEK_V2),
    "deepseek_v3": Family(read=latent, defaults=_DEEPSEEK_V3),
    "kimi_k2": Family(read=latent, defaults=_DEEPSEEK_V3),
    "glm4_moe_lite": Family(read=latent),
    "deepseek_v32": Family(read=latent, reaches="sparse", sparse=True),
    "glm_moe_dsa": Family(read=latent, reaches="sparse", sparse=True),
}

_BY_CLASS = {name.removesuffix("_text").replace("_", ""): name for name in FAMILIES} | {name.replace("_", ""): name for name in FAMILIES}
"""Names of the classes without what they are for, in small letters: ``Glm4MoeForCausalLM`` is ``glm4moe``."""
