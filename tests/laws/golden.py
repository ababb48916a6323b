"""Ten scenarios and what they come to, to the last bit.

``python -m tests.laws.golden`` runs them on this Python and compares; with ``--write`` what it finds becomes what is expected, which a
change of the model on purpose needs.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from dualpath_lab import Scenario, simulate
from dualpath_lab.result import Result

EXPECTED = Path(__file__).with_name("golden.json")

_SMALL: dict[str, Any] = {
    "model": "ds-27b",
    "cluster.gpus_per_node": 2,
    "cluster.storage_gbps": 20.0,
    "workload.source": "paper-32k",
    "workload.agents": 6,
}
_SETTINGS: dict[str, dict[str, Any]] = {
    "basic": {"system": "basic"},
    "layerwise": {"system": "layerwise"},
    "roundrobin": {"system": "roundrobin", "cluster.decode_nodes": 2},
    "dualpath": {"system": "dualpath", "cluster.prefill_nodes": 2, "cluster.decode_nodes": 3},
    "split": {"system": "split", "workload.append_scale": 4.0},
    "oracle": {"system": "oracle"},
    "online": {"system": "dualpath", "workload.arrival_rate": 0.5, "workload.tool_gap_s": 2.0, "horizon_s": 60.0},
    "dense": {"system": "dualpath", "model": "qwen-32b", "cluster.decode_nodes": 2, "cluster.storage_gbps": 100.0},
    "expert parallel": {"system": "dualpath", "model": "ds-660b", "cluster.gpus_per_node": 8, "cluster.storage_gbps": 100.0, "seed": 7},
    "half lost": {"system": "dualpath", "workload.hit_rate": 0.5, "traffic.model_share": 0.3, "seed": 3},
}
GOLDEN = {name: Scenario().with_values(_SMALL | values) for name, values in _SETTINGS.items()}


def told(result: Result) -> dict[str, Any]:
    """Some figures for people, and a hash of all that a run's JSON says but the wall clock."""
    values = {key: value for key, value in result.to_dict().items() if key != "wall_s"}
    digest = sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    latency = values["latency_s"]
    return {
        "jct_s": values["jct_s"],
        "turns": values["turns"],
        "ttft_mean_s": latency["ttft"]["mean"],
        "events": values["events"],
        "sha256": digest,
    }


def expected() -> dict[str, Any]:
    """What :func:`told` says of each."""
    found: dict[str, Any] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """See the module."""
    found = {name: told(simulate(scenario)) for name, scenario in GOLDEN.items()}
    if "--write" in sys.argv[1:]:
        EXPECTED.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    differs = [name for name, values in found.items() if values != expected()[name]]
    print(f"Python {sys.version.split()[0]}: {len(found)} scenarios, {len(differs)} differ {', '.join(differs)}".rstrip())
    sys.exit(bool(differs))


if __name__ == "__main__":
    main()
