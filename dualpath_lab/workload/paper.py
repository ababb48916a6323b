"""Trajectories with the statistics of the paper's three agent datasets, drawn by construction (reference section 9)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.trajectories import Workload

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Dataset:
    """One row of the published table: means over trajectories of per-trajectory means."""

    max_tokens: int
    turns: float
    append: float
    generate: float
    total: float
    context: float

    @property
    def turns_sigma(self) -> float:
        """Log-normal width that reconciles ``turns * (append + generate)`` with ``total``."""
        return math.sqrt(math.log(self.turns * (self.append + self.generate) / self.total))

    @property
    def generated_share(self) -> float:
        """Generated tokens over all tokens of a trajectory."""
        return self.generate / (self.append + self.generate)

    @property
    def first_share(self) -> float:
        """First prompt over all tokens of a trajectory."""
        return 2 * self.context / self.total - 1


DATASETS = {
    "paper-32k": Dataset(32_768, turns=60, append=608, generate=148, total=28_639, context=17_183),
    "paper-48k": Dataset(49_152, turns=106, append=474, generate=172, total=42_607, context=25_120),
    "paper-64k": Dataset(65_536, turns=157, append=429, generate=176, total=55_958, context=32_721),
}
"""The published table."""

DATASET_TRAJECTORIES = 500
"""Published: trajectories in each dataset."""
GROUP = 100
"""Trajectories drawn together, one from each percentile of every quantity."""
SHARE_SPREAD = 0.3
"""Half-width, relative, of the uniform spread of a trajectory's first and generated shares."""
TOKENS_PER_TURN = 16
"""Least mean length of a turn; bounds the log-normal's extreme tail only."""
APPEND_SIGMA = 1.5
"""Log-normal width of the later appends within a trajectory; mini-SWE-agent's mean over median (315 / 94) gives 1.55."""
GENERATE_SIGMA = 1.2
"""Log-normal width of generated lengths within a trajectory; Claude Code's mean over median (428 / 223) gives 1.14."""


def generate(name: str, trajectories: int, rng: np.random.Generator) -> Workload:
    """Draw trajectories whose means are those of a published dataset.

    With N turns, append a, generated g, total T and context C from the table, a trajectory has

    - a total of ``max_tokens * u**(max_tokens / T - 1)``, u uniform: never above the maximum, of mean T, most near the maximum;
    - independently, a log-normal number of turns n of mean N. As E[1/n] = exp(sigma^2) / N, the mean of total / n is
      ``T exp(sigma^2) / N``, which is a + g for ``sigma^2 = ln(N (a + g) / T)``: many turns are short turns;
    - a share ``G = g / (a + g)`` of its tokens generated and a share ``f = 2 C / T - 1`` in its first prompt, each varied
      independently, and the rest ``r = 1 - f - G`` in its later appends;
    - later appends that shorten linearly from ``1 + b`` to ``1 - b`` times their mean. Appends in turn j are context of n - 1 - j
      turns, so that the expected mean context over the total is ``(f (n-1) + G (n-1) / 2 + r ((n-2) / 2 + b n / 6)) / n``. It is
      ``(1 + f) / 2 = C / T`` for every n when ``b = 6 (1 - G/2) / (r n)``: hence both the context column and turns x context are met.
      (Below about ten turns b stops at 1; they are too few to matter.)

    Trajectories are drawn in whole groups of ``GROUP``, stratified within the group, which keeps the means of a few hundred trajectories
    near the table's in spite of the heavy tail. Groups are drawn one after another, so that trajectory i is the same however many follow.

    Parameters
    ----------
    name : str
        A key of ``DATASETS``.
    trajectories : int
        How many, at least 1.
    rng : numpy Generator
        Advanced by whole groups; a second call with the same generator gives other trajectories.

    Returns
    -------
    Workload
        Append-only, every append and generate at least 1 token, no gaps.

    Raises
    ------
    ScenarioError
        If the name is unknown or the number below 1.

    Notes
    -----
    Source: reference section 9, the table and its two traps.
    """
    if name not in DATASETS:
        raise ScenarioError(f"Unknown dataset {name!r}: it should be one of {', '.join(DATASETS)}.")
    if trajectories < 1:
        raise ScenarioError(f"trajectories = {trajectories} is not allowed: it should be at least 1.")
    dataset = DATASETS[name]
    groups = [_group(dataset, rng) for _ in range(-(-trajectories // GROUP))]
    turns, append, generated = (np.concatenate(parts) for parts in zip(*groups, strict=True))
    first_turn = np.concatenate([[0], np.cumsum(turns[:trajectories])])
    append, generated = append[: first_turn[-1]], generated[: first_turn[-1]]
    context = _exclusive_sum(append + generated, first_turn)
    return Workload(name, first_turn, context, append, generated, np.zeros(len(context)), dataset.max_tokens)


def _group(dataset: Dataset, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Draw the number of turns of ``GROUP`` trajectories, shape (GROUP,), and append and generate of each turn, flat."""
    strata = rng.permuted(np.tile(np.arange(GROUP), (4, 1)), axis=1)
    for_turns, for_total, for_first, for_generated = (strata + 1 - rng.random(strata.shape)) / GROUP  # in (0, 1]

    total = np.rint(dataset.max_tokens * for_total ** (dataset.max_tokens / dataset.total - 1)).astype(np.int64)
    sigma = dataset.turns_sigma
    turns = np.rint(dataset.turns * np.exp(sigma * _normal_quantile(for_turns) - sigma**2 / 2)).astype(np.int64)
    turns = np.clip(turns, 1, total // TOKENS_PER_TURN)

    first_share = dataset.first_share * _spread(for_first)
    generated_share = dataset.generated_share * _spread(for_generated)
    later_share = np.where(turns > 1, 1 - first_share - generated_share, 0)
    generated_tokens = np.rint(total * generated_share).astype(np.int64)
    later_tokens = np.rint(total * later_share).astype(np.int64)

    weights = np.exp(GENERATE_SIGMA * rng.standard_normal(turns.sum()))
    generated = _divide(generated_tokens, weights, turns)

    later = turns - 1
    with np.errstate(divide="ignore"):  # one turn: no later append
        slope = np.minimum(1, 6 * (1 - generated_share / 2) / (later_share * turns))
    weights = np.exp(APPEND_SIGMA * rng.standard_normal(later.sum())) * _decline(slope, later)
    first_turn = np.cumsum(turns) - turns
    append = np.empty(turns.sum(), np.int64)
    append[first_turn] = total - generated_tokens - later_tokens
    is_later = np.ones(len(append), bool)
    is_later[first_turn] = False
    append[is_later] = _divide(later_tokens, weights, later)
    return turns, append, generated


def _normal_quantile(probability: Floats) -> Floats:
    normal = NormalDist()
    return np.array([normal.inv_cdf(min(p, 1 - 2**-53)) for p in probability.tolist()])


def _spread(uniform: Floats) -> Floats:
    return 1 + SHARE_SPREAD * (2 * uniform - 1)


def _decline(slope: Floats, counts: Ints) -> Floats:
    """Fall linearly from 1 + slope to 1 - slope over each trajectory's `counts` turns, flat."""
    position = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    centred = 1 - 2 * position / np.repeat(np.maximum(counts - 1, 1), counts)
    factors: Floats = 1 + np.repeat(slope, counts) * centred
    return factors


def _divide(tokens: Ints, weights: Floats, counts: Ints) -> Ints:
    """Divide ``tokens[i]`` among `counts[i]` turns in proportion to their weights, at least 1 each, nothing lost.

    Weights and result are flat. Rounding the running sum, not the parts, keeps every trajectory's sum exact.
    """
    used = np.flatnonzero(counts)
    if not len(used):
        return np.zeros(0, np.int64)
    counts, spare = counts[used], tokens[used] - counts[used]
    start = np.cumsum(counts) - counts
    share = weights * np.repeat(spare / np.add.reduceat(weights, start), counts)
    running = np.rint(np.cumsum(share)).astype(np.int64)
    running[start + counts - 1] = np.cumsum(spare)
    return 1 + np.diff(running, prepend=0)


def _exclusive_sum(values: Ints, first_turn: Ints) -> Ints:
    """Sum all earlier values within each trajectory."""
    before = np.cumsum(values) - values
    return before - np.repeat(before[first_turn[:-1]], np.diff(first_turn))
