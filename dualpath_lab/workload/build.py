"""The workload of one run: who runs, bent as the scenario says, and when each agent starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.scenario import WorkloadSpec
from dualpath_lab.workload.paper import DATASET_TRAJECTORIES
from dualpath_lab.workload.scaling import scale
from dualpath_lab.workload.sources import load
from dualpath_lab.workload.trajectories import BLOCK_TOKENS, Workload

Floats = NDArray[np.float64]


def build_workload(spec: WorkloadSpec, seed: int, source: Workload | None = None) -> tuple[Workload, Floats]:
    """Give each of ``spec.agents`` agents its trajectory and its start.

    A paper source is drawn anew for each seed, as many trajectories as the datasets have; a trace gives all its sessions, or as many
    as ``spec.sessions`` says, drawn with the seed. Agents take
    them in an order drawn from the seed, so that a few agents are an unbiased sample; agents beyond their number replay sessions
    sampled with replacement, each behind a synthetic first round of one KV block (63 appended tokens and 1 generated), which shifts all
    its contexts by whole blocks.

    Trajectories, sampling, gaps and arrivals have a random stream each, and an agent's draws do not depend on how many follow: changing
    one setting leaves what the others decide alone. ``spec.hit_rate`` is not applied here: contexts stay what was seen before, whatever
    part of them storage holds.

    Parameters
    ----------
    spec : WorkloadSpec
        The scenario's workload.
    seed : int
        The scenario's seed.
    source : Workload, optional
        Trajectories in the place of those of ``spec.source``.

    Returns
    -------
    workload : Workload
        With ``tool_gap_s = 0`` all gaps are zero, those of a trace too; with None they are the trace's own; else exponential of that
        mean.
    arrivals : float64 array, shape (agents,)
        Start of each agent, s, ascending: all zero offline, a Poisson process of ``arrival_rate`` online.

    Raises
    ------
    ScenarioError
        If the source is unknown or broken.

    Notes
    -----
    Source: reference section 9, "Replay".
    """
    trajectory_rng, sampling_rng, gap_rng, arrival_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4))
    workload, repeats = _agents(spec, source or load(spec.source, DATASET_TRAJECTORIES, trajectory_rng, spec.sessions), sampling_rng)
    if spec.tool_gap_s == 0 and workload.gap_s.any():
        workload = workload.noting(
            f"The trace's pauses, {workload.gap_s[workload.gap_s > 0].mean():,.3g} s where there is one, are left out, as "
            "workload.tool_gap_s = 0; null keeps them."
        )
    if spec.tool_gap_s is not None:
        workload = replace(workload, gap_s=spec.tool_gap_s * gap_rng.standard_exponential(workload.turns))
    workload = scale(workload, spec.append_scale, spec.generate_scale)
    workload = _prepend_round(workload, repeats)
    workload.gap_s[workload.first_turn[:-1]] = 0
    if spec.arrival_rate is None:
        return workload, np.zeros(spec.agents)
    return workload, np.cumsum(arrival_rng.standard_exponential(spec.agents)) / spec.arrival_rate


def _agents(spec: WorkloadSpec, source: Workload, sampling_rng: np.random.Generator) -> tuple[Workload, int]:
    """Find a trajectory for each agent, and tell how many of the last ones repeat a session."""
    once = sampling_rng.permutation(source.trajectories)[: spec.agents]
    repeated = sampling_rng.integers(source.trajectories, size=spec.agents - len(once))
    return source.take(np.concatenate([once, repeated])), len(repeated)


def _prepend_round(workload: Workload, repeats: int) -> Workload:
    """Put a first round of one whole block before each of the last `repeats` trajectories; all later contexts grow by it.

    Behind that round, a prefix that others share is no longer one.
    """
    if not repeats:
        return workload
    unique = workload.trajectories - repeats
    starts = workload.first_turn[unique:-1]
    context, append = workload.context.copy(), workload.append.copy()
    append[starts] += context[starts]
    context[starts] = 0
    context[starts[0] :] += BLOCK_TOKENS
    return replace(
        workload,
        first_turn=workload.first_turn + np.maximum(np.arange(workload.trajectories + 1) - unique, 0),
        context=np.insert(context, starts, 0),
        append=np.insert(append, starts, BLOCK_TOKENS - 1),
        generate=np.insert(workload.generate, starts, 1),
        gap_s=np.insert(workload.gap_s, starts, 0),
        max_tokens=workload.max_tokens + BLOCK_TOKENS,
    )
