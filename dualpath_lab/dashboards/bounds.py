"""What one run of a visitor may take of the server: looked at before anything of it is built."""

from __future__ import annotations

from dualpath_lab.core.network import MOST_AMOUNTS
from dualpath_lab.core.recorder import MOST_BINS
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.workload import Workload, load

MOST_BYTES = 2_000_000_000
"""Memory of a run, its process included."""
PROCESS_BYTES = 250_000_000
TURN_BYTES = 1_000
LINK_BYTES = 20_000
"""What a process, a turn and a link take at most; a link with the engine at it, and without what is recorded of it over time."""
MOST_GENERATED_BY_TURN = 1_000_000
MOST_GENERATED = 1_000_000_000
"""Tokens that a turn may generate, and all of a run: what is written block by block takes time block by block."""
_TRAJECTORIES = 200
"""Drawn from a paper source to see how many turns they have."""


def check(scenario: Scenario) -> None:
    """Refuse a run that would take more than a visitor may.

    Pauses play no part: what a run takes grows with its turns, their tokens and its links, and not with the time that it simulates.

    Raises
    ------
    ScenarioError
        If it is, or its source is unknown or broken.
    """
    spec = scenario.workload
    source = load(spec.source, _TRAJECTORIES)
    check_turns(source, spec.generate_scale)
    times = spec.agents / source.trajectories
    turns = round(source.turns * times)
    generated = round(float(source.generate.sum()) * times * spec.generate_scale)
    if generated > MOST_GENERATED:
        raise _too_many(scenario, f"about {generated:,} generated tokens", f"{MOST_GENERATED:,}", MOST_GENERATED / generated)
    size_bytes = needed_bytes(turns, links_of(scenario))
    if size_bytes > MOST_BYTES:
        taken = f"about {turns:,} turns, which take {size_bytes / 1e9:,.3g} GB"
        left = (MOST_BYTES - needed_bytes(0, links_of(scenario))) / (turns * TURN_BYTES)
        raise _too_many(scenario, taken, f"{MOST_BYTES / 1e9:g} GB", left)


def check_turns(workload: Workload, scale: float = 1.0) -> None:
    """Refuse turns that are too long to be decoded for a visitor.

    Raises
    ------
    ScenarioError
        If one of them is.
    """
    longest = round(float(workload.generate.max()) * scale)
    if longest > MOST_GENERATED_BY_TURN:
        raise ScenarioError(
            f"{workload.name} is not allowed here: a turn generates {longest:,} tokens, and this server takes turns of up to "
            f"{MOST_GENERATED_BY_TURN:,}; the command line takes longer ones."
        )


def needed_bytes(turns: int, links: int) -> int:
    """Memory that a run needs at most, however long a time it simulates."""
    recorded = 8 * min(MOST_AMOUNTS, MOST_BINS * 2 * links)  # there is room for up to twice as many links
    return PROCESS_BYTES + TURN_BYTES * turns + LINK_BYTES * links + recorded + recorded // 2


def links_of(scenario: Scenario) -> int:
    """Two directions of a storage NIC and of each GPU's compute NIC, and DRAM, of every node."""
    cluster = scenario.cluster
    return (cluster.prefill_nodes + cluster.decode_nodes) * (2 * cluster.gpus_per_node + 3)


def _too_many(scenario: Scenario, taken: str, most: str, share: float) -> ScenarioError:
    agents = scenario.workload.agents
    return ScenarioError(
        f"workload.agents = {agents} is not allowed with {scenario.workload.source}: the run would have {taken}, and this server gives a "
        f"run {most}; it should be at most about {int(agents * max(share, 0))} agents. The command line takes more."
    )
