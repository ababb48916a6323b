"""A model's published config -> KV bytes per token, FLOPs and weights (reference section 8)."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dualpath_lab.model_presets import GROUPED_QUERY, LATENT_MOE, GroupedQuery, Indexer, LatentMoe
from dualpath_lab.scenario import ScenarioError

PRESETS: tuple[str, ...] = (*LATENT_MOE, *GROUPED_QUERY)
"""Models known by name."""

_DTYPE_BYTES = {"fp8": 1, "bf16": 2, "fp16": 2}
_TORCH_DTYPES = {"float8_e4m3fn": "fp8", "bfloat16": "bf16", "float16": "fp16"}
_LATENT_TYPES = ("deepseek_v3", "deepseek_v32", "glm_moe_dsa")
_GROUPED_TYPES = ("qwen2", "qwen3", "llama")
_LARGEST_DIMENSION = 1_000_000
_DISPATCH_BYTES, _COMBINE_BYTES = 1, 2
"""Of a hidden element on its way to the experts (FP8) and back (BF16)."""


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
        KV-cache of a token, indexer keys included, in its storage type.
    total_parameters, active_parameters : int
        All; and those a token passes through, without the embedding table, with the head.
    weight_bytes : int
        All parameters as served.
    expert_parallel : bool
        EP + DP for a mixture of experts, DP alone for a dense model (reference section 10).
    buffer_bytes_per_node : int
        DRAM of a node for PE / DE buffers (reference section 2).
    core_flops_per_pair, indexer_flops_per_pair : int
        FLOPs for one query position against one earlier (or the same) position.
    indexer_bytes_per_token : int
        The indexer's part of ``kv_bytes_per_token``.
    top_k : int, optional
        Positions that sparse attention attends to; all of them when None.
    active_experts : int
        Routed experts that a token meets in each layer.
    exchange_bytes_per_token : int
        What a token sends to one other node of its expert-parallel group and gets back, all layers.
    """

    name: str
    layers: int
    kv_bytes_per_token: int
    total_parameters: int
    active_parameters: int
    weight_bytes: int
    expert_parallel: bool
    buffer_bytes_per_node: int
    core_flops_per_pair: int
    indexer_flops_per_pair: int = 0
    indexer_bytes_per_token: int = 0
    top_k: int | None = None
    active_experts: int = 0
    exchange_bytes_per_token: int = 0

    def attention_flops(self, cached: int, computed: int) -> float:
        """FLOPs of attention over all layers for ``computed`` new tokens after ``cached`` cached ones.

        The exact sum over the new positions: each attends to itself and all before it, to ``top_k`` of them at most where attention is
        sparse; the indexer scores them all.
        """
        positions = cached + computed
        pairs = computed * (cached + positions + 1) // 2
        if self.top_k is None:
            attended = pairs
        elif cached >= self.top_k:
            attended = computed * self.top_k
        else:
            attended = _capped_pairs(positions, self.top_k) - _capped_pairs(cached, self.top_k)
        return float(self.core_flops_per_pair * attended + self.indexer_flops_per_pair * pairs)

    def linear_flops(self, computed: int) -> float:
        """FLOPs of everything but attention for ``computed`` tokens: two for each active parameter."""
        return 2.0 * self.active_parameters * computed

    def flops(self, cached: int, computed: int) -> float:
        """FLOPs of a prefill of ``computed`` tokens after ``cached`` ones."""
        return self.linear_flops(computed) + self.attention_flops(cached, computed)

    def exchange_bytes(self, nodes: int) -> float:
        """All-to-all bytes, dispatch and combine, that a token moves across the network in an expert-parallel group of so many nodes.

        Its experts lie on any of the nodes with equal chance, it goes once to each node that has one, and to its own for nothing.
        """
        others = (nodes - 1) * (1 - (1 - 1 / nodes) ** self.active_experts)
        return self.exchange_bytes_per_token * others

    def decode_read_bytes(self, context: int) -> int:
        """KV bytes that one decode step reads for a sequence of ``context`` tokens: the attended ones and all indexer keys."""
        attended = context if self.top_k is None else min(context, self.top_k)
        return (self.kv_bytes_per_token - self.indexer_bytes_per_token) * attended + self.indexer_bytes_per_token * context


def _causal_pairs(positions: int) -> int:
    return positions * (positions + 1) // 2


def _capped_pairs(positions: int, cap: int) -> int:
    return _causal_pairs(positions) if positions <= cap else _causal_pairs(cap) + cap * (positions - cap)


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
    if kv_dtype is not None and kv_dtype not in _DTYPE_BYTES:
        raise ScenarioError(f"kv_dtype = {kv_dtype!r} is not allowed: it should be one of {', '.join(_DTYPE_BYTES)}.")
    if name_or_path in LATENT_MOE:
        return _model(name_or_path, LATENT_MOE[name_or_path], kv_dtype or "fp8", "fp8")
    if name_or_path in GROUPED_QUERY:
        return _model(name_or_path, GROUPED_QUERY[name_or_path], kv_dtype or "fp16", "bf16")
    path = Path(name_or_path)
    if path.name == name_or_path and path.suffix != ".json":
        raise _unknown_model(name_or_path)
    config = _Config(path)
    shape, weight_dtype = config.shape(), config.dtype()
    name = path.parent.name if path.stem == "config" and path.parent.name else path.stem
    return _model(name, shape, kv_dtype or weight_dtype, weight_dtype)


def _model(name: str, shape: LatentMoe | GroupedQuery, kv_dtype: str, weight_dtype: str) -> Model:
    kv_bytes = _DTYPE_BYTES[kv_dtype]
    return Model(
        name=name,
        layers=shape.layers,
        kv_bytes_per_token=shape.kv_elements * kv_bytes,
        total_parameters=shape.total_parameters,
        active_parameters=shape.active_parameters,
        weight_bytes=shape.total_parameters * _DTYPE_BYTES[weight_dtype],
        expert_parallel=shape.expert_parallel,
        buffer_bytes_per_node=80_000_000_000 if shape.expert_parallel else 320_000_000_000,
        core_flops_per_pair=shape.core_flops,
        indexer_flops_per_pair=shape.indexer_flops,
        indexer_bytes_per_token=shape.indexer_elements * kv_bytes,
        top_k=shape.indexer.top_k if shape.indexer else None,
        active_experts=shape.active,
        exchange_bytes_per_token=shape.exchanged_elements * (_DISPATCH_BYTES + _COMBINE_BYTES),
    )


def _unknown_model(name: str) -> ScenarioError:
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it should be one of {', '.join(PRESETS)} or the path of a config.json."
    return ScenarioError(f"Unknown model {name!r}; {hint}")


class _Config:
    """A ``config.json``, read field by field so that each complaint names its field."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ScenarioError(f"Model config {str(path)!r} cannot be read: {error.strerror}.") from None
        except (ValueError, RecursionError) as error:
            raise ScenarioError(f"Model config {str(path)!r} is not JSON: {error}.") from None
        if not isinstance(fields, dict):
            raise ScenarioError(f"Model config {str(path)!r} must hold a JSON object.")
        self._fields: dict[str, Any] = fields

    def shape(self) -> LatentMoe | GroupedQuery:
        """Dimensions of the architecture, if it is one that is modelled."""
        model_type = self._value("model_type")
        if model_type not in (*_LATENT_TYPES, *_GROUPED_TYPES):
            raise self._refusal("model_type", f"it should be one of {', '.join((*_LATENT_TYPES, *_GROUPED_TYPES))}")
        self._refuse_sliding_window()
        return self._latent_moe() if model_type in _LATENT_TYPES else self._grouped_query()

    def dtype(self) -> str:
        """Storage type of the weights."""
        quantization = self._fields.get("quantization_config")
        if quantization is not None:
            if not isinstance(quantization, dict) or quantization.get("quant_method") != "fp8":
                raise self._refusal("quantization_config", "its quant_method should be 'fp8'")
            return "fp8"
        key = "dtype" if self._fields.get("torch_dtype") is None and "dtype" in self._fields else "torch_dtype"
        dtype = _TORCH_DTYPES.get(str(self._value(key)))
        if dtype is None:
            raise self._refusal(key, f"it should be one of {', '.join(_TORCH_DTYPES)}")
        return dtype

    def _latent_moe(self) -> LatentMoe:
        layers = self._integer("num_hidden_layers")
        routed = self._integer("n_routed_experts")
        sparse = self._fields["model_type"] != "deepseek_v3"
        if self._fields.get("moe_layer_freq", 1) != 1:
            raise self._refusal("moe_layer_freq", "it should be 1")
        full_query = not sparse and "q_lora_rank" in self._fields and self._fields["q_lora_rank"] is None
        return LatentMoe(
            layers=layers,
            hidden=self._integer("hidden_size"),
            vocab=self._integer("vocab_size"),
            heads=self._integer("num_attention_heads"),
            tied=self._tied(),
            q_rank=None if full_query else self._integer("q_lora_rank"),
            kv_rank=self._integer("kv_lora_rank"),
            rope_dim=self._integer("qk_rope_head_dim"),
            nope_dim=self._integer("qk_nope_head_dim"),
            v_dim=self._integer("v_head_dim"),
            routed=routed,
            active=self._integer("num_experts_per_tok", largest=routed),
            shared=self._integer("n_shared_experts", smallest=0),
            expert_width=self._integer("moe_intermediate_size"),
            dense_layers=self._integer("first_k_dense_replace", smallest=0, largest=layers),
            dense_width=self._integer("intermediate_size"),
            indexer=Indexer(*map(self._integer, ("index_n_heads", "index_head_dim", "index_topk"))) if sparse else None,
        )

    def _grouped_query(self) -> GroupedQuery:
        hidden, heads = self._integer("hidden_size"), self._integer("num_attention_heads")
        return GroupedQuery(
            layers=self._integer("num_hidden_layers"),
            hidden=hidden,
            vocab=self._integer("vocab_size"),
            heads=heads,
            tied=self._tied(),
            kv_heads=self._integer("num_key_value_heads", largest=heads),
            head_dim=self._head_dim(hidden, heads),
            dense_width=self._integer("intermediate_size"),
        )

    def _head_dim(self, hidden: int, heads: int) -> int:
        if self._fields["model_type"] == "qwen3" or self._fields.get("head_dim") is not None:
            return self._integer("head_dim")
        if hidden % heads:
            raise self._refusal("num_attention_heads", f"without head_dim it should divide hidden_size = {hidden}")
        return hidden // heads

    def _refuse_sliding_window(self) -> None:
        layers = self._integer("num_hidden_layers")
        if self._fields.get("layer_types") not in (None, ["full_attention"] * layers):
            raise self._refusal("layer_types", "every layer should be 'full_attention'")
        if self._fields.get("sliding_window") is None:
            return
        optional = self._fields["model_type"] in ("qwen2", "qwen3")
        switched_off = optional and not self._fields.get("use_sliding_window")
        if switched_off or (optional and self._integer("max_window_layers", smallest=0) >= layers):
            return
        raise self._refusal("sliding_window", "a window in use is not modelled, so it should be null")

    def _tied(self) -> bool:
        return self._fields.get("tie_word_embeddings") is True

    def _value(self, key: str) -> Any:
        try:
            return self._fields[key]
        except KeyError:
            raise ScenarioError(f"Model config {str(self._path)!r} lacks the field {key!r}.") from None

    def _integer(self, key: str, smallest: int = 1, largest: int = _LARGEST_DIMENSION) -> int:
        value = self._value(key)
        if type(value) is not int or not smallest <= value <= largest:
            raise self._refusal(key, f"it should be an integer from {smallest} to {largest}")
        return value

    def _refusal(self, key: str, allowed: str) -> ScenarioError:
        return ScenarioError(f"Model config {str(self._path)!r}: {key} = {self._fields[key]!r} is not supported, {allowed}.")
