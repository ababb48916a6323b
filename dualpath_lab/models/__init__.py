"""A model's published config -> KV bytes per token, FLOPs and weights (reference section 8)."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from dualpath_lab.models import presets
from dualpath_lab.models.attention import GroupedQuery, Latent
from dualpath_lab.models.config import Config
from dualpath_lab.models.dtypes import DTYPE_BYTES, read_kv_dtype
from dualpath_lab.models.families import read_max_positions, read_shape
from dualpath_lab.models.model import Model, Window
from dualpath_lab.models.quantization import Weights, read_weights, uniform
from dualpath_lab.models.shape import Reach, Shape
from dualpath_lab.scenario import ScenarioError

__all__ = ["PRESETS", "Model", "Window", "load_model"]

PRESETS: tuple[str, ...] = tuple(presets.PRESETS)
"""Models known by name."""

_CHOSEN = "kv_dtype says so"
_DISPATCH_BYTES, _COMBINE_BYTES = 1, 2
"""Of a hidden element on its way to the experts (FP8) and back (BF16)."""


def load_model(name_or_path: str, kv_dtype: str | None = None) -> Model:
    """Look up a preset or read a Hugging Face style config.

    Parameters
    ----------
    name_or_path : str
        One of ``PRESETS`` or the path of a ``config.json``.
    kv_dtype : {"fp8", "bf16", "fp16"}, optional
        Storage type of the KV-cache, without scales. By default a preset's as served; for a config what it or ``hf_quant_config.json``
        beside it says of the KV-cache, else the engines' default: 16 bits, whatever the weights are stored in.

    Raises
    ------
    ScenarioError
        If the name is unknown, the file cannot be read, lacks a field or describes an architecture that is not modelled.
    """
    if kv_dtype is not None and kv_dtype not in DTYPE_BYTES:
        raise ScenarioError(f"kv_dtype = {kv_dtype!r} is not allowed: it should be one of {', '.join(DTYPE_BYTES)}.")
    if name_or_path in presets.PRESETS:
        preset = presets.PRESETS[name_or_path]
        weights = uniform(preset.shape, preset.weight_dtype)
        note = _kv_note(kv_dtype, _CHOSEN) if kv_dtype else _kv_note(preset.kv_dtype, "the preset is served so")
        return _model(name_or_path, preset.shape, kv_dtype or preset.kv_dtype, weights, preset.max_positions, [note, weights.sentence])
    path = Path(name_or_path)
    if path.name == name_or_path and path.suffix != ".json":
        raise _unknown_model(name_or_path)
    config = Config(path)
    shape = read_shape(config)
    stored, why = read_kv_dtype(config) if kv_dtype is None else (kv_dtype, _CHOSEN)
    weights = read_weights(config, shape)
    notes = [_kv_note(stored, why), *config.remarks]
    doubts = [weights.sentence] if weights.guessed else []
    if not weights.guessed:
        notes.append(weights.sentence)
    if config.assumed:
        fields = ", ".join(f"{field} = {value}" for field, value in config.assumed.items())
        doubts.append(f"Not in the config, and taken as the model's class has it: {fields}.")
    name = path.parent.name if path.stem == "config" and path.parent.name else path.stem
    return _model(name, shape, stored, weights, read_max_positions(config), notes, doubts)


def _kv_note(kv_dtype: str, why: str) -> str:
    return f"The KV-cache is in {kv_dtype.upper()}: {why}."


def _model(
    name: str, shape: Shape, kv_dtype: str, weights: Weights, max_positions: int | None, notes: Sequence[str], doubts: Sequence[str] = ()
) -> Model:
    kv_bytes, attention, indexer = DTYPE_BYTES[kv_dtype], shape.attention, shape.attention.indexer
    return Model(
        name=name,
        layers=shape.layers,
        kv_bytes_per_token=sum(layers * each.kv_elements for layers, each in shape.attention_layers) * kv_bytes,
        total_parameters=shape.total_parameters,
        active_parameters=shape.active_parameters,
        weight_bytes=weights.bytes,
        routed_weight_bytes=weights.routed_bytes,
        expert_parallel=shape.experts is not None,
        buffer_bytes_per_node=320_000_000_000 if shape.experts is None else 80_000_000_000,
        core_flops_per_pair=shape.full_layers * attention.pair_flops,
        indexer_flops_per_pair=shape.layers * indexer.pair_flops if indexer else 0,
        indexer_bytes_per_token=shape.layers * indexer.head_dim * kv_bytes if indexer else 0,
        top_k=indexer.top_k if indexer else None,
        routed_experts=shape.experts.routed if shape.experts else 0,
        active_experts=shape.experts.active if shape.experts else 0,
        exchange_bytes_per_token=shape.exchanged_elements * (_DISPATCH_BYTES + _COMBINE_BYTES),
        windows=tuple(_window(reach, reach.attention or attention, kv_bytes) for reach in shape.reaches),
        kv_dtype=kv_dtype,
        max_positions=max_positions,
        notes=tuple(notes),
        doubts=tuple(doubts),
    )


def _window(reach: Reach, attention: GroupedQuery | Latent, kv_bytes: int) -> Window:
    return Window(reach.tokens, reach.layers * attention.kv_elements * kv_bytes, reach.layers * attention.pair_flops, reach.chunked)


def _unknown_model(name: str) -> ScenarioError:
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it should be one of {', '.join(PRESETS)} or the path of a config.json."
    return ScenarioError(f"Unknown model {name!r}; {hint}")
