"""What the measurements say, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dualpath_lab.studies.advise.changes import MEMORY, NETWORK, STORAGE, Change
from dualpath_lab.studies.intervals import Interval

PAYS = 1.03
"""A speed-up below this is not worth a second path."""

NOTICED = 1.03
"""A resource limits a system if twice as much of it makes the workload this much faster."""

COMPUTE = "compute"


@dataclass(frozen=True)
class Verdict:
    """Whether dual path pays, and what holds each system back.

    Attributes
    ----------
    helps : bool
    limited_by : str
        What limits the single path: ``storage``, ``compute network``, ``DRAM`` or ``compute``.
    text : str
        Two or three sentences.
    """

    helps: bool
    limited_by: str
    text: str


def limited_by(changes: Sequence[Change]) -> str:
    """The resource of the data path that is worth most to have twice; the GPUs' compute where none is worth anything."""
    worth = {change.resource: change.speedup for change in changes if change.resource in (STORAGE, NETWORK, MEMORY) and change.speedup}
    most = max(worth, key=worth.__getitem__, default=COMPUTE)
    return most if worth.get(most, 0.0) >= NOTICED else COMPUTE


def verdict(single: str, dual: str, gain: Interval, single_limit: str, dual_limit: str, over_bound: float) -> Verdict:
    """Say whether dual path pays.

    Parameters
    ----------
    single, dual : str
        The systems compared, each at its best P:D.
    gain : Interval
        JCT of the single path over that of dual path.
    single_limit, dual_limit : str
        What limits each, see :func:`limited_by`.
    over_bound : float
        JCT of dual path over that of the same cluster without any transfer.
    """
    times = f"{dual} is done {gain.text('x')} as fast as {single}, each at its best P:D on the same GPUs"
    faster, could_help = gain.mean >= PAYS, single_limit != COMPUTE
    helps = faster and could_help and (gain.low is None or gain.low > 1.0)
    if helps:
        first = f"Dual path pays: {times}."
    elif faster and could_help:
        first = f"Dual path may pay: {times}, but the seeds differ by as much; more seeds or more agents would tell."
    else:
        first = f"Dual path does not pay here: {times}."
    why, left = _why(single, single_limit, faster), _what_is_left(dual, dual_limit, over_bound)
    return Verdict(helps, single_limit, f"{first} {why} {left}")


def _why(single: str, limit: str, faster: bool) -> str:
    if limit == COMPUTE:
        reason = "loading the KV-cache is not what takes the time" + (", and what the other does better is scheduling" if faster else "")
    elif limit == STORAGE:
        reason = "the storage NICs of its prefill nodes saturate" + ("" if faster else ", and the second path finds none that idle")
    else:
        reason = "its transfers leave no room" if faster else "a second path only adds to that load"
    return f"{single} is {limit} bound: {reason}."


def _what_is_left(dual: str, limit: str, over_bound: float) -> str:
    return f"{dual} is {limit} bound then, {max(over_bound - 1, 0):.0%} slower than if KV-cache came at no cost at all."
