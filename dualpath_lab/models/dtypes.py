"""Storage types: of a model's elements as published, and of the KV-cache that an engine keeps for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dualpath_lab.models.config import QUANTIZATION_FILE, Config

DTYPE_BYTES = {"fp8": 1, "bf16": 2, "fp16": 2}
"""Of an element."""

_TORCH_DTYPES = {
    **{"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "bf16": "bf16", "fp16": "fp16"},
    **{"float8_e4m3fn": "fp8", "fp8": "fp8", "float32": "bf16", "float": "bf16", "auto": "bf16"},
}
"""Engines serve models that are published in 32 bits in 16."""
_UNQUANTIZED = ("none", "auto", "")
_STATEMENTS = ("kv_cache_scheme", "kv_cache_quant_algo", "kv_cache_dtype")


def read_dtype(config: Config) -> str | None:
    """The type that a model's elements are published in, as engines load it; None where the config does not say.

    Raises
    ------
    ScenarioError
        If the type is not known here.
    """
    key = "dtype" if config.shared("torch_dtype") is None else "torch_dtype"
    value = config.shared(key)
    if value is None:
        return None
    dtype = _TORCH_DTYPES.get(str(value).removeprefix("torch."))
    if dtype is None:
        raise config.refusal(key, f"it should be one of {', '.join(_TORCH_DTYPES)}")
    return dtype


def read_kv_dtype(config: Config) -> tuple[str, str]:
    """Storage type of the KV-cache, and why.

    What the config or ``hf_quant_config.json`` beside it says of the KV-cache; else the engines' default, the type that a model computes
    in. The weights' type says nothing of it.

    Raises
    ------
    ScenarioError
        If they say a type that is not known here.
    """
    for name, value in _statements(config):
        if not value or str(value).lower() in _UNQUANTIZED:
            continue
        stated = _stated(value)
        if stated is None:
            types = ", ".join(DTYPE_BYTES)
            raise config.refused_value(name, value, f"a KV-cache is stored in {types} here, and --kv-dtype (kv_dtype) says in which")
        return stated, f"{name} says so"
    if read_dtype(config) == "fp16":
        return "fp16", "the config says nothing of it, and the engines' default is the type that the model computes in"
    return "bf16", "the config says nothing of it, and the engines' default is BF16, whatever the weights are stored in"


def quantizations(config: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects that tell how a model is stored, each with its name, the config's own first."""
    for key in ("quantization_config", "quantization", "compression_config"):
        found = config.shared(key)
        if isinstance(found, dict):
            yield config.name_of(key), found
            if isinstance(found.get("quantization"), dict):
                yield f"{config.name_of(key)}.quantization", found["quantization"]
        elif found is not None:
            raise config.refusal(key, "it should be an object")
    if isinstance(config.beside.get("quantization"), dict):
        yield f"{QUANTIZATION_FILE}'s quantization", config.beside["quantization"]


def _statements(config: Config) -> Iterator[tuple[str, Any]]:
    """All that is said of the KV-cache's type, each with the name of the field."""
    for name, found in quantizations(config):
        for key in _STATEMENTS:
            yield f"{name}.{key}", found.get(key)
        yield f"{name}.layer_quant_config", _quark(found)
    for key in _STATEMENTS:
        yield config.name_of(key), config.shared(key)


def _quark(found: dict[str, Any]) -> Any:
    """What AMD's Quark stores of the projections that make keys and values."""
    export, layers = found.get("export"), found.get("layer_quant_config")
    group = export.get("kv_cache_group") if isinstance(export, dict) else None
    if not group or not isinstance(group, list) or not isinstance(layers, dict):
        return None
    projection = layers.get(str(group[0]))
    output = projection.get("output_tensors") if isinstance(projection, dict) else None
    return output.get("dtype") if isinstance(output, dict) else None


def _stated(value: Any) -> str | None:
    """A type of the KV-cache as it is written in configs."""
    if isinstance(value, dict):
        return "fp8" if value.get("num_bits") == 8 and value.get("type", "float") == "float" else None
    word = str(value).lower()
    if word == "static" or word.startswith(("fp8", "float8")):  # AutoFP8 says how its FP8 is scaled
        return "fp8"
    return {"bfloat16": "bf16", "bf16": "bf16", "float16": "fp16", "fp16": "fp16"}.get(word)
