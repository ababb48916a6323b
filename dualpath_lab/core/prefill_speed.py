"""How many prompt tokens a prefill engine gets through: the scheduler's measure of an overload."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.hardware import Hardware
from dualpath_lab.models import Model
from dualpath_lab.workload import Workload

_SAMPLE_TURNS = 2000
"""Turns from which the speed is taken."""


def prefill_tokens_per_s(model: Model, hardware: Hardware, workload: Workload) -> float:
    """Prompt tokens, cached ones included, that one prefill GPU gets through in a second of this workload."""
    rows: NDArray[np.int64] = np.linspace(0, workload.turns - 1, min(workload.turns, _SAMPLE_TURNS)).astype(np.int64)
    tokens, seconds = 0, 0.0
    for context, append in zip(workload.context[rows].tolist(), workload.append[rows].tolist(), strict=True):
        tokens += context + append
        seconds += model.attention_flops(context, append) / hardware.attention_flops_per_s
        seconds += model.linear_flops(append) / hardware.linear_flops_per_s
    return tokens / seconds
