"""How many bytes a model's weights take: what a quantization stores in few bits, and what it leaves as it was.

Published quantizations name the modules that they leave out one by one or by patterns. Here the parts of a decoder
(:attr:`Shape.parts`) are told apart by words in those names; embedding, head and routers are never quantized.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from dualpath_lab.errors import shown
from dualpath_lab.models.config import Config
from dualpath_lab.models.dtypes import DTYPE_BYTES, quantizations, read_dtype
from dualpath_lab.models.shape import Shape


class Weights(NamedTuple):
    """Bytes of all weights and of the routed experts' among them, in a sentence what they are, and whether that is a guess."""

    bytes: int
    routed_bytes: int
    sentence: str
    guessed: bool = False


class _Scheme(NamedTuple):
    """What a quantization makes of a parameter, its scales included."""

    name: str
    bytes: float


_LINEAR = ("attention", "dense", "shared", "routed")
"""Parts that are quantized."""
_LEFT_OUT = ("modules_to_not_convert", "ignored_layers", "ignore", "exclude_modules", "exclude", "llm_int8_skip_modules")
_FP8, _INT8 = _Scheme("FP8", 1.0), _Scheme("INT8", 1.0)
_NVFP4 = _Scheme("NVFP4", 1 / 2 + 1 / 16)
_MXFP4 = _Scheme("MXFP4", 1 / 2 + 1 / 32)
_ALGORITHMS = {"nvfp4": _NVFP4, "mxfp4": _MXFP4, "fp4": _MXFP4, "w4a16_nvfp4": _NVFP4, "mxfp8": _Scheme("MXFP8", 33 / 32)}
"""4 bits and a scale of 8 for 16 elements, or for 32."""
_BITS = ("bits", "w_bit", "num_bits", "nbits", "weight_bits")
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)(?:\.|\\\.)(\d+)")
_ROUTED_ONLY = ("mxfp4",)
"""Methods that name nothing and quantize routed experts alone."""


def uniform(shape: Shape, dtype: str) -> Weights:
    """All weights that can be in one type."""
    if dtype == "fp8":
        return _quantized(shape, dict.fromkeys(_LINEAR, _FP8), {})
    size = DTYPE_BYTES[dtype]
    total = size * shape.total_parameters
    return Weights(total, size * shape.parts["routed"], f"The weights are in {dtype.upper()}: {total / 1e9:,.4g} GB.")


def read_weights(config: Config, shape: Shape) -> Weights:
    """What the weights of a config take.

    Where its quantization is not known here they are taken to be as large as without it, and the sentence says so.

    Raises
    ------
    ScenarioError
        If the type that the model is published in is not known here.
    """
    dtype = read_dtype(config)
    for name, found in quantizations(config):
        schemes = _schemes(found, shape)
        if schemes is None:
            continue
        if not schemes:
            plain, routed = _plain(shape)
            method = shown(found.get("quant_method") or found.get("quant_algo"))
            how = f"How {name} ({method}) stores weights is not known here"
            return Weights(plain, routed, f"{how}: they are counted in BF16, {plain / 1e9:,.4g} GB.", True)
        return _quantized(shape, schemes, left_out(_names(found), shape))
    if dtype == "fp8":
        return _quantized(shape, dict.fromkeys(_LINEAR, _FP8), {})
    plain, routed = _plain(shape)
    reason = "" if dtype else ", as the config names no type"
    return Weights(plain, routed, f"The weights are in {'FP16' if dtype == 'fp16' else 'BF16'}{reason}: {plain / 1e9:,.4g} GB.")


def left_out(names: Iterable[str], shape: Shape) -> dict[str, float]:
    """How much of each part the names leave out: 0 (not named) to 1.

    A name that holds no number of a layer stands for all. What is named of the attention of one layer is taken to hold for all layers:
    recipes treat them alike, and published lists are long. First and last layers of feed-forward networks are left out one by one.
    """
    layers: dict[str, set[int]] = {part: set() for part in _LINEAR}
    whole: set[str] = set()
    for name in names:
        number = _LAYER.search(name)
        for part in _parts(name):
            if number is None or part == "attention":
                whole.add(part)
            elif (layer := int(number[1][:7])) < shape.layers:
                layers[part].add(layer)
    count = {"attention": shape.layers, "dense": shape.dense_layers, "shared": shape.expert_layers, "routed": shape.expert_layers}
    return {part: 1.0 if part in whole else min(len(layers[part]) / max(count[part], 1), 1.0) for part in _LINEAR}


def _plain(shape: Shape) -> tuple[int, int]:
    """Bytes of all parameters, and of the routed experts, in 16 bits."""
    return 2 * shape.total_parameters, 2 * shape.parts["routed"]


def _quantized(shape: Shape, schemes: Mapping[str, _Scheme], excluded: Mapping[str, float]) -> Weights:
    sizes = shape.parts
    stored_bytes = {}
    for part, parameters in sizes.items():
        few = schemes[part].bytes if part in schemes else 2.0
        kept = excluded.get(part, 0.0) if part in schemes else 1.0
        stored_bytes[part] = parameters * (kept * 2.0 + (1 - kept) * few)
    total = sum(stored_bytes.values())
    stored: dict[str, list[str]] = {}
    for part, scheme in schemes.items():
        if sizes[part] and excluded.get(part, 0.0) < 1:
            stored.setdefault(scheme.name, []).append(_WORDS[part])
    what = "; ".join(f"{_listed(parts)} in {name}" for name, parts in stored.items())
    rest = "all else in BF16" if what else "all in BF16, as the quantization leaves every part out"
    return Weights(int(total), int(stored_bytes["routed"]), f"The weights take {total / 1e9:,.4g} GB: {what}{', ' if what else ''}{rest}.")


_WORDS = {"attention": "attention", "dense": "dense layers", "shared": "shared experts", "routed": "routed experts"}


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _schemes(found: Mapping[str, Any], shape: Shape) -> dict[str, _Scheme] | None:
    """The scheme of each part; empty where it is not known, None where nothing is quantized."""
    method = str(found.get("quant_method") or "").lower()
    algorithm = str(found.get("quant_algo") or "").lower()
    if algorithm == "mixed_precision" or isinstance(found.get("quantized_layers"), dict):
        return _mixed(found.get("quantized_layers"))
    groups = found.get("config_groups")
    if isinstance(groups, dict):
        return _grouped(groups)
    scheme = _by_algorithm(algorithm) if algorithm else _by_method(method, found)
    if scheme is None:
        return {} if method or algorithm or any(not key.startswith(("kv_cache", "quant_algo", "exclude")) for key in found) else None
    parts = ("routed",) if method in _ROUTED_ONLY and shape.experts else _LINEAR
    return dict.fromkeys(parts, scheme)


def _by_algorithm(name: str) -> _Scheme | None:
    """An algorithm's name of ModelOpt, or a type's of Quark."""
    if name in _ALGORITHMS:
        return _ALGORITHMS[name]
    if "nvfp4" in name:
        return _NVFP4
    if "mxfp4" in name or name == "fp4":
        return _MXFP4
    if name.startswith(("int4", "w4a", "uint4")):
        return _integer(4, 128)
    if name.startswith(("fp8", "float8")):
        return _FP8
    if name.startswith(("int8", "w8a", "uint8")):
        return _INT8
    return None


def _by_method(method: str, found: Mapping[str, Any]) -> _Scheme | None:
    if method in ("fp8", "fbgemm_fp8", "ptpc_fp8", "modelopt", "finegrained_fp8") or method.endswith("_fp8"):
        return _FP8
    if method in ("mxfp4", "gpt_oss_mxfp4"):
        return _MXFP4
    if method == "quark":
        everywhere = found.get("global_quant_config")
        weight = everywhere.get("weight") if isinstance(everywhere, dict) else None
        return _by_algorithm(str(weight.get("dtype")).lower()) if isinstance(weight, dict) else None
    if method == "bitsandbytes" or "load_in_4bit" in found or "load_in_8bit" in found:
        four = any(found.get(key) is True for key in ("load_in_4bit", "_load_in_4bit"))
        return _Scheme("4-bit floats", 1 / 2 + 1 / 16) if four else _INT8
    if method == "eetq":
        return _INT8
    bits = next((found[key] for key in _BITS if type(found.get(key)) in (int, float)), None)
    if bits is None or not 1 <= bits <= 16:
        return None
    group = next((found[key] for key in ("group_size", "q_group_size") if type(found.get(key)) is int), 0)
    return _integer(bits, group)


def _integer(bits: float, group: int) -> _Scheme:
    """So many bits, and 16 more of scale for a group of elements where there are groups."""
    return _Scheme(f"INT{bits:g}", (bits + (16 / group if 0 < group <= 65_536 else 0)) / 8)


def _grouped(groups: Mapping[str, Any]) -> dict[str, _Scheme] | None:
    """The groups of compressed-tensors and of newer ModelOpt: weights, and the modules that they are of; as :func:`_schemes`."""
    schemes: dict[str, _Scheme] = {}
    for group in groups.values():
        weights = group.get("weights") if isinstance(group, dict) else None
        if weights is None:
            continue
        scheme = _of_weights(weights)
        if scheme is None:
            return {}
        targets = group.get("targets")
        named = {part for target in (targets if isinstance(targets, list) else ()) for part in _parts(str(target))}
        for part in _LINEAR:
            if part in named:
                schemes[part] = scheme
            elif not named:
                schemes.setdefault(part, scheme)
    return schemes or None


def _of_weights(weights: Any) -> _Scheme | None:
    if not isinstance(weights, dict):
        return None
    bits, group = weights.get("num_bits"), weights.get("group_size")
    if type(bits) is not int or not 1 <= bits <= 16:
        return None
    size = group if type(group) is int else 0
    if weights.get("type") == "float":
        return {8: _FP8, 4: _NVFP4 if size == 16 else _MXFP4}.get(bits)
    return _INT8 if bits == 8 and size <= 0 else _integer(bits, size)


def _mixed(layers: Any) -> dict[str, _Scheme]:
    """ModelOpt's mixed precision: each layer with its algorithm; a part has that of its first layer."""
    schemes: dict[str, _Scheme] = {}
    for name, how in layers.items() if isinstance(layers, dict) else ():
        scheme = _by_algorithm(str(how.get("quant_algo")).lower()) if isinstance(how, dict) else None
        for part in _parts(str(name)):
            if scheme is not None:
                schemes.setdefault(part, scheme)
    return schemes


def _names(found: Mapping[str, Any]) -> Iterable[str]:
    for key in _LEFT_OUT:
        names = found.get(key)
        for name in names if isinstance(names, list) else ():
            yield str(name)


def _parts(name: str) -> tuple[str, ...]:
    """Parts of the decoder that a module's name or a pattern means."""
    low = name.lower()
    if any(word in low for word in ("vision", "visual", "audio", "mtp", "embed")):
        return ()
    if "shared" in low:
        return ("shared",) if "gate" not in low.rsplit(".", 1)[-1] or "proj" in low else ()
    if "expert" in low:
        return ("routed",)
    if "attn" in low or "attention" in low or re.search(r"\b[qkvo](_[ab])?_proj", low) or "kv_proj" in low:
        return ("attention",)
    if re.search(r"mlp|ffn|feed_forward|_proj", low):
        gate = re.search(r"gate\W*$", low) is not None  # the router
        return () if gate or "router" in low else ("dense",)
    return _LINEAR if re.search(r"layers(\.|\\\.)\d+\W*$", low) else ()
