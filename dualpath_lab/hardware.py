"""GPUs as the simulation sees them: rates and memory, from published figures or from a file that ``dualpath-lab calibrate`` wrote.

The rates of the H800 are those that the paper's results were fitted with (:mod:`calibration`). Another GPU's are scaled by a roofline of
the published figures: prefill by dense matrix FLOPS, decode by memory bandwidth. What a layer or a Layer Block costs besides is launches,
latency and work of the host, and stays the same.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field

from dualpath_lab import calibration
from dualpath_lab.errors import ScenarioError
from dualpath_lab.settings import Settings, read_yaml


class Hardware(Settings):
    """One GPU, and what of a storage NIC's bandwidth reads really get.

    Parameters
    ----------
    name, source : str
        What it is, and where its figures come from.
    attention_tflops, linear_tflops : float
        Prefill rates: attention, and everything else.
    hbm_gbytes_per_s, hbm_gbytes : float
        Memory bandwidth, which decode steps are bound by, and size.
    layer_overhead_s : float
        Time that an expert-parallel layer adds to a decode step.
    prefill_layer_s, prefill_layer_floor_s : float
        Time that an expert-parallel layer adds to the computation of a prefill forward, and the least that it takes in all.
    layer_block_s : float
        Time that an engine takes over one cached Layer Block (64 tokens of one layer), besides FLOPs and copies.
    request_s : float
        Time that the host takes over a request before the scheduler knows of it.
    storage_efficiency : float
        Of the nominal bandwidth of a storage NIC.
    """

    name: str = Field(min_length=1)
    source: str = ""
    attention_tflops: float = Field(gt=0, le=1e6)
    linear_tflops: float = Field(gt=0, le=1e6)
    hbm_gbytes_per_s: float = Field(gt=0, le=1e6)
    hbm_gbytes: float = Field(gt=0, le=1e5)
    layer_overhead_s: float = Field(calibration.DECODE_LAYER_S, ge=0, le=1)
    prefill_layer_s: float = Field(calibration.PREFILL_LAYER_S, ge=0, le=1)
    prefill_layer_floor_s: float = Field(calibration.PREFILL_LAYER_FLOOR_S, ge=0, le=1)
    layer_block_s: float = Field(calibration.LAYER_BLOCK_S, ge=0, le=1)
    request_s: float = Field(calibration.REQUEST_S, ge=0, le=60)
    storage_efficiency: float = Field(calibration.STORAGE_EFFICIENCY, gt=0, le=1)

    @property
    def attention_flops_per_s(self) -> float:
        """Of prefill attention."""
        return self.attention_tflops * 1e12

    @property
    def linear_flops_per_s(self) -> float:
        """Of everything else in a forward."""
        return self.linear_tflops * 1e12

    @property
    def hbm_bytes_per_s(self) -> float:
        """Memory bandwidth."""
        return self.hbm_gbytes_per_s * 1e9


_H800_BF16_TFLOPS = 989.4


def _scaled(name: str, bf16_tflops: float, hbm_gbytes_per_s: float, hbm_gbytes: float, source: str) -> Hardware:
    ratio = bf16_tflops / _H800_BF16_TFLOPS
    return Hardware(
        name=name,
        source=f"{source}: {bf16_tflops:g} dense BF16 TFLOPS, {hbm_gbytes_per_s:g} GB/s, {hbm_gbytes:g} GB; rates scaled from h800",
        attention_tflops=ratio * calibration.ATTENTION_FLOPS_PER_S / 1e12,
        linear_tflops=ratio * calibration.LINEAR_FLOPS_PER_S / 1e12,
        hbm_gbytes_per_s=hbm_gbytes_per_s,
        hbm_gbytes=hbm_gbytes,
    )


GPUS = {
    gpu.name: gpu
    for gpu in (
        _scaled("h200", 989.4, 4800, 141, "NVIDIA H200 data sheet"),
        _scaled("h100", 989.4, 3350, 80, "NVIDIA H100 SXM data sheet"),
        _scaled("h800", _H800_BF16_TFLOPS, 3350, 80, "H100 SXM data sheet; the H800 differs in NVLink and FP64, which are not simulated"),
        _scaled("h20", 148, 4000, 96, "NVIDIA H20 figures as published by its resellers"),
        _scaled("b200", 2250, 8000, 180, "NVIDIA DGX B200 data sheet, an eighth of the system"),
        _scaled("a100", 312, 2039, 80, "NVIDIA A100 80 GB SXM data sheet"),
    )
}


@cache
def load_hardware(name_or_path: str) -> Hardware:
    """Look up a GPU or read a hardware file.

    Parameters
    ----------
    name_or_path : str
        One of ``GPUS``, or the path of a YAML file with the keys of :class:`Hardware`.

    Raises
    ------
    ScenarioError
        If it is neither, or the file holds something else.
    """
    if name_or_path in GPUS:
        return GPUS[name_or_path]
    if not Path(name_or_path).suffix:
        raise ScenarioError(
            f"cluster.hardware = {name_or_path!r} is not allowed: it should be one of {', '.join(GPUS)}, or the path of a hardware file."
        )
    try:
        return Hardware(**read_yaml(Path(name_or_path), "Hardware file"))
    except ScenarioError as error:
        raise ScenarioError(f"cluster.hardware = {name_or_path!r}: {error}") from None
