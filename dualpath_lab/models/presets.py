"""The published models that have a name here."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from dualpath_lab.models.attention import GroupedQuery, Indexer, Latent
from dualpath_lab.models.shape import Experts, Shape


class Preset(NamedTuple):
    """A shape, the storage types it is served in, and the longest context it is made for."""

    shape: Shape
    kv_dtype: str
    weight_dtype: str
    max_positions: int | None


_DEEPSEEK_V3 = Shape(
    layers=61,
    hidden=7168,
    vocab=129280,
    attention=Latent(heads=128, q_rank=1536),
    dense_layers=3,
    dense_width=18432,
    experts=Experts(routed=256, active=8, width=2048, shared_width=2048),
)
_DEEPSEEK_V32 = replace(_DEEPSEEK_V3, attention=Latent(heads=128, q_rank=1536, indexer=Indexer(heads=64, head_dim=128, top_k=2048)))

# Internal to the DualPath authors, no config is public (reference section 8). Assumed: q_rank, kv_rank, rope_dim, nope_dim, v_dim
# and vocab, all as in DeepSeek-V3; 27.1 B parameters then.
_DS_27B = Shape(
    layers=30,
    hidden=2560,
    vocab=129280,
    attention=Latent(heads=32, q_rank=1536, indexer=Indexer(heads=32, head_dim=64, top_k=1024)),
    dense_layers=1,
    dense_width=12288,
    experts=Experts(routed=72, active=6, width=1536, shared_width=2 * 1536),
)
_GLM_5 = Shape(
    layers=78,
    hidden=6144,
    vocab=154880,
    attention=Latent(heads=64, q_rank=2048, nope_dim=192, v_dim=256, indexer=Indexer(heads=32, head_dim=128, top_k=2048)),
    dense_layers=3,
    dense_width=12288,
    experts=Experts(routed=256, active=8, width=2048, shared_width=2048),
)
_QWEN_25_32B = Shape(
    layers=64,
    hidden=5120,
    vocab=152064,
    attention=GroupedQuery(heads=40, kv_heads=8, head_dim=128),
    dense_layers=64,
    dense_width=27648,
)
_LLAMA_31_70B = Shape(
    layers=80,
    hidden=8192,
    vocab=128256,
    attention=GroupedQuery(heads=64, kv_heads=8, head_dim=128),
    dense_layers=80,
    dense_width=28672,
)

PRESETS: dict[str, Preset] = {
    "ds-660b": Preset(_DEEPSEEK_V32, "fp8", "fp8", 163_840),
    "ds-v3": Preset(_DEEPSEEK_V3, "fp8", "fp8", 163_840),
    "ds-27b": Preset(_DS_27B, "fp8", "fp8", None),
    "glm-5": Preset(_GLM_5, "fp8", "fp8", 202_752),
    "qwen-32b": Preset(_QWEN_25_32B, "fp16", "bf16", 131_072),
    "llama-70b": Preset(_LLAMA_31_70B, "fp16", "bf16", 131_072),
}
"""``ds-660b`` is DeepSeek-V3.2, which is DeepSeek-V3 with sparse attention."""
