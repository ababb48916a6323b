"""How long a prefill forward computes, and from it the speed by which the scheduler tells an overload."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.hardware import Hardware
from dualpath_lab.models import Model
from dualpath_lab.workload import BLOCK_TOKENS, Workload

_SAMPLE_TURNS = 2000
"""Turns from which the speed is taken."""


class PrefillTime:
    """What the forwards of a group of prefill GPUs cost.

    A forward takes: an expert-parallel layer's own time + attention of the slowest GPU + everything else, which all GPUs share. It takes no
    less than the host needs for its layers, nor than reading the weights that its tokens meet. A group of one exchanges nothing and has no
    expert-parallel layers.

    Parameters
    ----------
    model : Model
    hardware : Hardware
    gpus : int
        Of the group.
    """

    __slots__ = ("_block_s", "_floor_s", "_gpus", "_hardware", "_layers_s", "_linear_s", "_model")

    def __init__(self, model: Model, hardware: Hardware, gpus: int) -> None:
        self._model = model
        self._hardware = hardware
        self._gpus = gpus
        self._block_s = model.layers * hardware.layer_block_s
        self._linear_s = model.linear_flops(1) / (gpus * hardware.linear_flops_per_s)
        layers = model.layers if gpus > 1 else 0
        self._layers_s = layers * hardware.prefill_layer_s
        self._floor_s = layers * hardware.prefill_layer_floor_s

    def attention_s(self, cached: int, computed: int) -> float:
        """Time of attention on one GPU for ``computed`` new tokens of a request after ``cached`` ones, as the compute quota predicts it."""
        blocks = -(-cached // BLOCK_TOKENS)
        return self._model.attention_flops(cached, computed) / self._hardware.attention_flops_per_s + blocks * self._block_s

    def linear_s(self, tokens: int) -> float:
        """Time of everything else for the new tokens of all GPUs."""
        return tokens * self._linear_s

    def forward_s(self, slowest_attention_s: float, tokens: int) -> float:
        """Time of a whole forward; ``tokens`` are the new ones of all GPUs."""
        weights_s = self._model.weight_read_bytes(tokens, self._gpus) / self._hardware.hbm_bytes_per_s
        return max(self._layers_s + slowest_attention_s + self.linear_s(tokens), self._floor_s, weights_s)

    def tokens_per_s(self, workload: Workload) -> float:
        """Prompt tokens, cached ones included, that one GPU gets through in a second of this workload, layers' own time left out."""
        rows: NDArray[np.int64] = np.linspace(0, workload.turns - 1, min(workload.turns, _SAMPLE_TURNS)).astype(np.int64)
        tokens, seconds = 0, 0.0
        for context, append in zip(workload.context[rows].tolist(), workload.append[rows].tolist(), strict=True):
            tokens += context + append
            seconds += self.attention_s(context, append) + self._gpus * self.linear_s(append)
        return tokens / seconds
