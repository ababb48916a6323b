"""A user's own hardware from measurements: prefill rates, decode step and storage efficiency, fitted to TTFT and TPOT.

A measured request finds its engine idle, and a batch of like requests shares it. Then TTFT is the read of the cached tokens, the attention
and the linear layers of the others, and an overhead a layer where the model is expert parallel; TPOT is that overhead, the weights of a
GPU and the batch's KV-cache read from HBM, and the batch's linear layers. All of it is linear in one over each rate, so that one
least-squares fit of relative errors finds them. The overhead is the same in prefill and decode.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from itertools import islice
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualpath_lab import calibration
from dualpath_lab.hardware import Hardware, load_hardware
from dualpath_lab.models import Model, load_model
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.small_file import read_small

COLUMNS = ("prompt", "cached", "batch", "ttft_s", "tpot_s")
MOST_ROWS = 100_000
MOST_BYTES = 16_000_000
RATES = ("attention_tflops", "linear_tflops", "hbm_gbytes_per_s", "layer_overhead_s", "storage_efficiency")
"""What is fitted; each but the overhead enters the times as one over it."""

_NOT_APART = {"request_s": 0.0, "layer_block_s": 0.0, "prefill_layer_floor_s": 0.0}
"""Costs that the equations don't tell apart from the others: measured times hold them, and the fitted rates take them on."""

_ILL = 1e-7
"""Directions of the fit this much weaker than the strongest are not determined by the measurements."""

_OVER_NOMINAL = 1.05
"""Storage measured up to this much faster than its nominal bandwidth counts as noise."""

_PEAKS = {
    "h200": (989.4, 4800.0),
    "h100": (989.4, 3350.0),
    "h800": (989.4, 3350.0),
    "h20": (148.0, 4000.0),
    "b200": (2250.0, 8000.0),
    "a100": (312.0, 2039.0),
}
"""TFLOPS of dense BF16 and GB/s of memory in the data sheets that ``hardware.GPUS`` is made from. Arithmetic in 8 bits is twice as fast."""
_FOUR_BITS = ("b200",)
"""GPUs whose arithmetic in 4 bits is four times as fast as in BF16."""
_FAR_BELOW = 100
"""A measured engine that reaches so little of its GPU's data sheet was not measured in seconds."""


@dataclass(frozen=True)
class Measurement:
    """A row of the file: tokens, like requests at a time on one GPU, and what they took; a time that was not measured is None."""

    line: int
    prompt: int
    cached: int
    batch: int
    ttft_s: float | None
    tpot_s: float | None


@dataclass(frozen=True)
class Fit:
    """The hardware that fits best.

    Attributes
    ----------
    hardware : Hardware
    fitted : dict of str to float
        Which of ``RATES`` the measurements determine, each with its relative standard error; the others are as before.
    measurements : int
        Times that went in.
    mean_error, max_error : float
        Of the fitted times, relative to the measured ones.
    notes : list of str
        What to know about it, a sentence each.
    """

    hardware: Hardware
    fitted: dict[str, float]
    measurements: int
    mean_error: float
    max_error: float
    notes: list[str] = field(default_factory=list)


def read_measurements(path: str | Path) -> list[Measurement]:
    """Read a CSV file with the columns ``prompt, cached, batch, ttft_s, tpot_s``; either time may be left empty.

    Raises
    ------
    ScenarioError
        If the file can't be read or a row makes no sense.
    """
    content = read_small(Path(path), "Measurements file", MOST_BYTES)
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        header = tuple(name.strip() for name in reader.fieldnames or ())
        reader.fieldnames = list(header)
        if set(header) != set(COLUMNS):
            raise ScenarioError(f"{path}: the columns are {', '.join(header) or 'missing'}; they should be {', '.join(COLUMNS)}.")
        rows = [_measurement(str(path), reader.line_num, row) for row in islice(reader, MOST_ROWS + 1)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError(f"{path} is not a CSV file: {error}.") from None
    if not 0 < len(rows) <= MOST_ROWS:
        raise ScenarioError(f"{path} holds {len(rows) if not rows else 'too many'} measurements; there should be 1 to {MOST_ROWS:,}.")
    return rows


def fit(scenario: Scenario, measurements: list[Measurement], name: str) -> Fit:
    """Fit one GPU's rates.

    Parameters
    ----------
    scenario : Scenario
        The model and the cluster that were measured; rates that the measurements don't determine are those of its hardware.
    measurements : list of Measurement
    name : str
        Of the new hardware.

    Raises
    ------
    ScenarioError
        If the measurements can't tell the rates apart, no rates above 0 fit them, or those that do are beyond what the GPU can do, or
        all far below it.
    """
    model = load_model(scenario.model, scenario.kv_dtype)
    base = load_hardware(scenario.cluster.hardware)
    matrix, times = _equations(scenario, model, measurements)
    weighted = matrix / times[:, None]
    sizes = np.linalg.norm(weighted, axis=0)
    chosen = sizes > 0
    known = np.where(chosen, 0.0, _inverses(base))
    scaled = weighted[:, chosen] / sizes[chosen]
    found, _, _, strengths = np.linalg.lstsq(scaled, 1.0 - weighted @ known, rcond=None)
    if len(times) < chosen.sum() or strengths[-1] < _ILL * strengths[0]:
        names = ", ".join(rate for rate, use in zip(RATES, chosen, strict=True) if use)
        raise ScenarioError(
            f"{len(times)} measured times can't tell {names} apart: vary prompt, cached and batch, and measure both TTFT and TPOT."
        )
    spread = np.sqrt(np.diag(np.linalg.inv(scaled.T @ scaled)) * np.sum((scaled @ found - 1.0 + weighted @ known) ** 2) / len(times))
    uncertain = dict(zip(np.array(RATES)[chosen].tolist(), (spread / np.abs(found)).tolist(), strict=True))
    inverses = known.copy()
    inverses[chosen] = found / sizes[chosen]
    notes: list[str] = []
    values = _rates(inverses, chosen, notes)
    _question(scenario.cluster.hardware, model, values, notes)
    errors = np.abs(matrix @ inverses - times) / times
    source = f"dualpath-lab calibrate: {len(times)} times, mean error {errors.mean():.1%}"
    layer_s = values.get("layer_overhead_s", base.layer_overhead_s)
    hardware = Hardware(**(base.model_dump() | values | _NOT_APART | {"prefill_layer_s": layer_s, "name": name, "source": source}))
    return Fit(hardware, {name: uncertain[name] for name in values}, len(times), float(errors.mean()), float(errors.max()), notes)


def _rates(inverses: NDArray[np.float64], chosen: NDArray[np.bool_], notes: list[str]) -> dict[str, float]:
    units = dict(zip(RATES, (1e12, 1e12, 1e9, 1.0, 1.0), strict=True))
    values = {}
    for rate, inverse, use in zip(RATES, inverses.tolist(), chosen.tolist(), strict=True):
        if not use:
            continue
        if rate == "layer_overhead_s" and inverse <= 0:
            notes.append("No overhead a layer shows in the measurements.")
            values[rate] = 0.0
            continue
        if inverse <= 0:
            raise ScenarioError(f"No {rate} above 0 fits the measurements: times should grow with what it has to do.")
        values[rate] = inverse if rate == "layer_overhead_s" else 1 / inverse / units[rate]
    efficiency = values.get("storage_efficiency", 1.0)
    if efficiency > _OVER_NOMINAL:
        raise ScenarioError(
            f"Reads were {efficiency:.2f} times as fast as cluster.storage_gbps allows: it should be what was measured with."
        )
    if efficiency > 1:
        notes.append(f"Reads were {efficiency:.3f} times as fast as the nominal bandwidth; that counts as 1.")
        values["storage_efficiency"] = 1.0
    return values


def _question(gpu: str, model: Model, values: dict[str, float], notes: list[str]) -> None:
    """Hold the rates against the data sheet of the GPU, or of all that are known where it is another."""
    sheets = [_PEAKS[gpu]] if gpu in _PEAKS else list(_PEAKS.values())
    whose = gpu if gpu in _PEAKS else "any GPU known here"
    asked = "are ttft_s and tpot_s in s, and model, batch and cluster.hardware those that were measured?"
    quicker = _quicker(gpu, model)
    low = []
    for rate in (rate for rate in quicker if rate in values):
        found, peaks = values[rate], [sheet[rate == "hbm_gbytes_per_s"] for sheet in sheets]
        most, least = (edge(peaks) * quicker[rate] for edge in (max, min))
        if found > _OVER_NOMINAL * most:
            raise ScenarioError(f"The measurements give {rate} = {_few(found)}, and the data sheet of {whose} allows {_few(most)}: {asked}")
        if found > max(peaks):
            bits = " in BF16" if quicker[rate] > 1 else ""
            notes.append(f"{rate} = {_few(found)} is beyond the {_few(max(peaks))} of {whose}{bits}: {asked}")
        if found * _FAR_BELOW < least:
            low.append(f"{rate} = {_few(found)}, 1/{least / found:,.0f} of the {_few(least)} of {whose}")
    if low and len(low) == len(quicker.keys() & values.keys()):
        raise ScenarioError(f"The measurements give {'; '.join(low)}, as times in ms would: {asked}")
    notes.extend(f"The measurements give {each}: {asked}" for each in low)


def _quicker(gpu: str, model: Model) -> dict[str, int]:
    """How much faster than in BF16 a GPU may work on what is stored in fewer bits."""
    few = model.weight_bytes / model.total_parameters
    in_four = few < 0.75 and (gpu in _FOUR_BITS or gpu not in _PEAKS)
    linear = 4 if in_four else 2 if few < 1.5 else 1
    return {"attention_tflops": 2 if model.kv_dtype == "fp8" else 1, "linear_tflops": linear, "hbm_gbytes_per_s": 1}


def _few(number: float) -> str:
    """To the digits that tell."""
    return f"{number:,.0f}" if number >= 1_000 else f"{number:.4g}"


def _inverses(hardware: Hardware) -> NDArray[np.float64]:
    rates = (hardware.attention_flops_per_s, hardware.linear_flops_per_s, hardware.hbm_bytes_per_s)
    return np.array([*(1 / rate for rate in rates), hardware.layer_overhead_s, 1 / hardware.storage_efficiency])


def _equations(scenario: Scenario, model: Model, measurements: list[Measurement]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each measured time is made of: FLOP, bytes, layers and seconds of reading at the nominal bandwidth; shape (times, rates)."""
    gpus = {role: _gpus(scenario, model, role) for role in ("prefill", "decode")}
    layers = model.layers if model.expert_parallel else 0
    rows, times = [], []
    for each in measurements:
        computed = each.prompt - each.cached
        if each.ttft_s is not None:
            read_s = each.cached * model.kv_bytes_per_token / scenario.side("prefill").storage_bytes_per_s
            work = (model.attention_flops(each.cached, computed), model.linear_flops(computed) / gpus["prefill"], 0.0)
            rows.append([*(each.batch * value for value in work), layers, each.batch * read_s])
            times.append(each.ttft_s)
        if each.tpot_s is not None:
            read_bytes = model.weight_bytes_per_gpu(gpus["decode"]) + each.batch * model.decode_read_bytes(each.prompt)
            rows.append([0.0, each.batch * model.linear_flops(1), read_bytes, layers, 0.0])
            times.append(each.tpot_s)
    return np.array(rows, np.float64), np.array(times)


def _gpus(scenario: Scenario, model: Model, role: str) -> int:
    """GPUs that share a forward's linear layers and the weights."""
    cluster = scenario.cluster
    nodes = cluster.prefill_nodes if role == "prefill" else cluster.decode_nodes
    return min(nodes, calibration.EXPERT_PARALLEL_NODES[role]) * cluster.gpus_per_node if model.expert_parallel else 1


def _measurement(path: str, line: int, row: dict[str, Any]) -> Measurement:
    where = f"{path}, line {line}"
    if None in row or None in row.values():
        raise ScenarioError(f"{where}: there should be {len(COLUMNS)} columns.")
    prompt = _number(where, "prompt", row["prompt"], 1, 1e9)
    cached = _number(where, "cached", row["cached"], 0, prompt - 1)
    batch = _number(where, "batch", row["batch"], 1, 1e6)
    times = [_time(where, name, row[name]) for name in ("ttft_s", "tpot_s")]
    if times == [None, None]:
        raise ScenarioError(f"{where}: ttft_s and tpot_s are both empty; one of them should be measured.")
    return Measurement(line, prompt, cached, batch, *times)


def _number(where: str, name: str, text: str, low: int, high: float) -> int:
    try:
        number = int(text)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise ScenarioError(
            f"{where}: {name} = {text.strip()[:40]!r} is not allowed: it should be a whole number from {low} to {high:,.0f}."
        )
    return number


def _time(where: str, name: str, text: str) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = inf
    if not isfinite(value) or value <= 0:
        raise ScenarioError(f"{where}: {name} = {text.strip()[:40]!r} is not allowed: it should be a time above 0 in s, or empty.")
    return value
