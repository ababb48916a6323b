"""Storage types of weights and KV-cache."""

from __future__ import annotations

from dualpath_lab.models.config import Config

DTYPE_BYTES = {"fp8": 1, "bf16": 2, "fp16": 2}
"""Of an element."""
EXPERT_BYTES = {"mxfp4": (2.0, 17 / 32)}
"""Types that only routed experts are stored in: bytes of another parameter (BF16) and of an expert's (4 bits, and 8 for 32 of them)."""

_TORCH_DTYPES = {"float8_e4m3fn": "fp8", "fp8": "fp8", "bfloat16": "bf16", "float16": "fp16"}


def read_dtype(config: Config) -> tuple[str, str]:
    """Storage types of the weights and, unless the scenario says otherwise, of the KV-cache.

    The KV-cache follows the weights where these are FP8, as DualPath serves it; where they are MXFP4, it is BF16.

    Raises
    ------
    ScenarioError
        If the quantization or the type is not known here.
    """
    quantization = config.shared("quantization_config")
    if quantization is not None:
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        if method == "fp8":
            return "fp8", "fp8"
        if method == "mxfp4":
            return "mxfp4", "bf16"
        raise config.refusal("quantization_config", "its quant_method should be 'fp8' or 'mxfp4'")
    key = "dtype" if config.shared("torch_dtype") is None and config.shared("dtype") is not None else "torch_dtype"
    value = config.shared(key)
    if value is None:
        config.value(key)
    dtype = _TORCH_DTYPES.get(str(value))
    if dtype is None:
        raise config.refusal(key, f"it should be one of {', '.join(_TORCH_DTYPES)}")
    return dtype, dtype
