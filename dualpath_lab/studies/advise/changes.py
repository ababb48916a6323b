"""What one more of something would buy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.advise.search import Steps
from dualpath_lab.studies.sweep.rows import DONE

STORAGE, NETWORK, MEMORY = "storage", "compute network", "DRAM"
"""Resources that loading the KV-cache takes."""


@dataclass(frozen=True)
class Change:
    """One change, and how many times faster the workload is done for it.

    Attributes
    ----------
    what : str
        In words.
    values : dict
        Scenario keys with their new values.
    resource : str
        What there is more of.
    speedup : float or None
        JCT before over JCT after; None where it could not run.
    """

    what: str
    values: dict[str, Any]
    resource: str
    speedup: float | None = None


def _possible(scenario: Scenario) -> list[Change]:
    cluster = scenario.cluster
    storage, compute, dram = 2 * cluster.storage_gbps, 2 * cluster.compute_gbps, 2 * cluster.dram_gbytes_per_s
    prefill, decode = cluster.prefill_nodes + 1, cluster.decode_nodes + 1
    return [
        Change(f"a second storage NIC in every node ({storage:g} Gb/s)", {"cluster.storage_gbps": storage}, STORAGE),
        Change(f"compute NICs of twice the bandwidth ({compute:g} Gb/s)", {"cluster.compute_gbps": compute}, NETWORK),
        Change(f"DRAM of twice the bandwidth ({dram:g} GB/s)", {"cluster.dram_gbytes_per_s": dram}, MEMORY),
        Change(f"one more prefill node ({prefill}P{decode - 1}D)", {"cluster.prefill_nodes": prefill}, "prefill"),
        Change(f"one more decode node ({prefill - 1}P{decode}D)", {"cluster.decode_nodes": decode}, "decode"),
    ]


def try_changes(scenario: Scenario, jct_s: float) -> Steps[list[Change]]:
    """Run a scenario with one thing changed at a time.

    Parameters
    ----------
    scenario : Scenario
    jct_s : float
        Without a change.
    """
    changes = _possible(scenario)
    rows = yield [scenario.with_values(change.values) for change in changes]
    return [
        Change(change.what, change.values, change.resource, jct_s / row["jct_s"] if row["status"] == DONE else None)
        for change, row in zip(changes, rows, strict=True)
    ]
