"""A model's published config -> KV bytes per token, FLOPs and weights (reference section 8)."""

from __future__ import annotations

import difflib
from pathlib import Path

from dualpath_lab.models import presets
from dualpath_lab.models.architectures import read_shape
from dualpath_lab.models.config import Config
from dualpath_lab.models.dtypes import DTYPE_BYTES, EXPERT_BYTES, read_dtype
from dualpath_lab.models.model import Model, Window
from dualpath_lab.models.shape import Shape
from dualpath_lab.scenario import ScenarioError

__all__ = ["PRESETS", "Model", "Window", "load_model"]

PRESETS: tuple[str, ...] = tuple(presets.PRESETS)
"""Models known by name."""

_TABLE_BYTES = 2
"""Of an element of the embedding table and of the output head: published checkpoints leave them in BF16 where others are quantized."""
_DISPATCH_BYTES, _COMBINE_BYTES = 1, 2
"""Of a hidden element on its way to the experts (FP8) and back (BF16)."""


def load_model(name_or_path: str, kv_dtype: str | None = None) -> Model:
    """Look up a preset or read a Hugging Face style config.

    Parameters
    ----------
    name_or_path : str
        One of ``PRESETS`` or the path of a ``config.json``.
    kv_dtype : {"fp8", "bf16", "fp16"}, optional
        Storage type of the KV-cache, without scales. By default a preset's as served; for a config FP8 where its weights are quantized so,
        else its ``torch_dtype``.

    Raises
    ------
    ScenarioError
        If the name is unknown, the file cannot be read, lacks a field or describes an architecture that is not modelled.
    """
    if kv_dtype is not None and kv_dtype not in DTYPE_BYTES:
        raise ScenarioError(f"kv_dtype = {kv_dtype!r} is not allowed: it should be one of {', '.join(DTYPE_BYTES)}.")
    if name_or_path in presets.PRESETS:
        preset = presets.PRESETS[name_or_path]
        return _model(name_or_path, preset.shape, kv_dtype or preset.kv_dtype, preset.weight_dtype)
    path = Path(name_or_path)
    if path.name == name_or_path and path.suffix != ".json":
        raise _unknown_model(name_or_path)
    config = Config(path)
    shape, (weight_dtype, served_kv_dtype) = read_shape(config), read_dtype(config)
    name = path.parent.name if path.stem == "config" and path.parent.name else path.stem
    return _model(name, shape, kv_dtype or served_kv_dtype, weight_dtype)


def _model(name: str, shape: Shape, kv_dtype: str, weight_dtype: str) -> Model:
    kv_bytes, attention, indexer = DTYPE_BYTES[kv_dtype], shape.attention, shape.attention.indexer
    other_bytes, expert_bytes = EXPERT_BYTES.get(weight_dtype, (DTYPE_BYTES.get(weight_dtype, 0),) * 2)
    return Model(
        name=name,
        layers=shape.layers,
        kv_bytes_per_token=shape.layers * attention.kv_elements * kv_bytes,
        total_parameters=shape.total_parameters,
        active_parameters=shape.active_parameters,
        weight_bytes=int(
            shape.table_parameters * max(other_bytes, _TABLE_BYTES)
            + (shape.total_parameters - shape.table_parameters - shape.routed_parameters) * other_bytes
            + shape.routed_parameters * expert_bytes
        ),
        routed_weight_bytes=int(shape.routed_parameters * expert_bytes),
        expert_parallel=shape.experts is not None,
        buffer_bytes_per_node=320_000_000_000 if shape.experts is None else 80_000_000_000,
        core_flops_per_pair=shape.full_layers * attention.pair_flops,
        indexer_flops_per_pair=shape.layers * indexer.pair_flops if indexer else 0,
        indexer_bytes_per_token=shape.layers * indexer.head_dim * kv_bytes if indexer else 0,
        top_k=indexer.top_k if indexer else None,
        routed_experts=shape.experts.routed if shape.experts else 0,
        active_experts=shape.experts.active if shape.experts else 0,
        exchange_bytes_per_token=shape.exchanged_elements * (_DISPATCH_BYTES + _COMBINE_BYTES),
        windows=tuple(
            Window(reach.tokens, reach.layers * attention.kv_elements * kv_bytes, reach.layers * attention.pair_flops, reach.chunked)
            for reach in shape.reaches
        ),
        kv_dtype=kv_dtype,
    )


def _unknown_model(name: str) -> ScenarioError:
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it should be one of {', '.join(PRESETS)} or the path of a config.json."
    return ScenarioError(f"Unknown model {name!r}; {hint}")
