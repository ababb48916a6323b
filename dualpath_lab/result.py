"""What a run returns: a summary in words, the JSON that others rely on, and a table of its turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.core.dispatch import Decision
from dualpath_lab.core.links import Link
from dualpath_lab.core.observer import prefill_compute
from dualpath_lab.core.paths import Ports, Step, steps
from dualpath_lab.core.policy import Scheduler
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.core.systems import mechanisms
from dualpath_lab.core.timeline import LinkTimeline
from dualpath_lab.html_table import table
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.workload import BLOCK_TOKENS

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

PERCENTILES = {"p50": 50, "p90": 90, "p99": 99}
STAGES = {
    "schedule": ("submitted", "placed"),
    "read": ("placed", "read"),
    "prefill_queue": ("read", "prefill_started"),
    "prefill": ("prefill_started", "prefill_ended"),
    "transfer": ("prefill_ended", "first_token"),
}
"""Stages that add up to TTFT, each between two recorded times."""

ENOUGH_BEYOND = 10
"""Turns that should lie beyond a percentile: with fewer, another seed moves it by much of its size."""

_MOVED = ("prefill_read", "hit", "computed", "generate", "prefill_reloaded", "decode_reloaded")

Columns = dict[str, NDArray[np.int64] | NDArray[np.float64]]


@dataclass(frozen=True, repr=False)
class Result:
    """A finished run.

    Attributes
    ----------
    values : dict
        The JSON of the interface; see :meth:`to_dict`.
    columns : dict of array, shape (turns,)
        One entry a turn, in the order in which they finished; times in s.
    carried : LinkTimeline
        What every link carried over time; :meth:`timeline` has it labelled.
    policy : Scheduler or None
        The policy of your own that decided, with all its state; None of a built-in system.
    decided : list of Decision or None
        Every decision, in order, where :func:`simulate` was to keep them; :meth:`decisions` has them as a table.
    """

    values: dict[str, Any]
    columns: Columns
    carried: LinkTimeline
    policy: Scheduler | None = None
    decided: list[Decision] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The run as plain values, ready for ``json.dumps``; latencies of runs without turns are None."""
        return self.values

    def turns(self) -> pd.DataFrame:
        """One row a turn: tokens, engines, side, the time each stage ended (s), and TTFT, TTST, TPOT (s).

        TTFT counts from submission, TTST from the first token to the second. A turn of fewer than two tokens has NaN for what it lacks.
        """
        import pandas as pd

        return pd.DataFrame(self.columns)

    def links(self) -> pd.DataFrame:
        """One row a link: each SNIC and CNIC, direction by direction, and each DRAM.

        Returns
        -------
        DataFrame
            ``link``, a label such as ``p0.snic.rx``; ``name``, ``kind``, ``role``, ``direction``; ``capacity_bytes_per_s``; ``bytes``,
            and of these ``bytes_kv`` and ``bytes_model``; ``utilization``, of 1.
        """
        import pandas as pd

        rows = [
            {"link": _label(link["name"], link["direction"])}
            | {name: value for name, value in link.items() if name not in ("bytes_by_class", "utilization")}
            | {f"bytes_{name}": size for name, size in link["bytes_by_class"].items()}
            | {"utilization": link["utilization"]}
            for link in self.values["links"]
        ]
        return pd.DataFrame(rows)

    def timeline(self) -> xr.Dataset:
        """What every link carried over time.

        Returns
        -------
        Dataset
            Over ``time`` (the start of each bin, s; ``width`` is how long it is, and the last ends with the run) and ``link`` (labels as in
            :meth:`links`, with ``kind``, ``role`` and ``direction``): ``kv`` and ``model``, bytes of either class; and ``utilization``, of
            1, of what the link could have carried in the bin. ``attrs["units"]`` of each is its unit.
        """
        import xarray as xr

        edges, carriable = self.carried.edges_s(), self.carried.carriable_bytes()
        by_class = {"kv": self.carried.kv_bytes(), "model": self.carried.model_bytes()}
        shares = np.divide(sum(by_class.values()), carriable, out=np.zeros_like(carriable), where=carriable > 0)
        data = {name: (("time", "link"), size.T, {"units": "bytes"}) for name, size in by_class.items()}
        links = self.carried.links
        return xr.Dataset(
            data | {"utilization": (("time", "link"), shares.T, {"units": "1"})},
            {
                "time": ("time", edges[:-1], {"units": "s", "long_name": "start of the bin"}),
                "width": ("time", np.diff(edges), {"units": "s", "long_name": "length of the bin"}),
                "link": ("link", [_label(link.name, link.direction) for link in links]),
            }
            | {name: ("link", [getattr(link, name) for link in links]) for name in ("kind", "role", "direction")},
        )

    def decisions(self) -> pd.DataFrame:
        """One row a decision of the scheduler, in order; see :class:`~dualpath_lab.core.dispatch.Decision` for its columns.

        Raises
        ------
        ScenarioError
            If they were not kept.
        """
        import pandas as pd

        if self.decided is None:
            raise ScenarioError("decisions are not kept: run simulate(scenario, decisions=True).")
        return pd.DataFrame(self.decided, columns=list(Decision._fields)).astype({"prefill_read": "Int64"})

    def steps(self, turn: int) -> list[Step[tuple[str, str]]]:
        """The way of one turn's KV-cache: its exact bytes on every link, step by step (reference section 4).

        Parameters
        ----------
        turn : int
            Row of ``columns``.

        Returns
        -------
        list of Step
            Each link as its name and direction in ``values["links"]``; empty where the system moves nothing.
        """
        if not mechanisms(Scenario(**self.values["scenario"])).transfers:
            return []
        pe, de = (int(self.columns[name][turn]) for name in ("pe", "de"))
        gpus = self.values["scenario"]["cluster"]["gpus_per_node"]
        return steps(_ports("p", pe, gpus), _ports("d", de, gpus), *moved_bytes(self.columns, turn, self.values["kv_bytes_per_token"]))

    def summary(self) -> str:
        """A few lines for people."""
        values, latency = self.values, self.values["latency_s"]
        scenario = values["scenario"]
        cluster = scenario["cluster"]
        done = "JCT " + duration(values["jct_s"]) if values["jct_s"] is not None else f"stopped at {duration(values['simulated_s'])}"
        lines = [
            f"{scenario['system']}: {scenario['model']} on {cluster['prefill_nodes']}P{cluster['decode_nodes']}D, "
            f"{scenario['workload']['source']}, {scenario['workload']['agents']} agents",
            f"  {done}; {values['agents_finished']} agents and {values['turns']} turns finished, hit rate {values['hit_rate']:.3f}",
        ]
        for name in ("ttft", "ttst", "tpot"):
            if latency[name]["mean"] is not None:
                spread = ", ".join(f"{key} {duration(value)}" for key, value in latency[name].items())
                lines.append(f"  {name.upper()}: {spread}")
        lines.append(f"  bottleneck: {values['bottleneck']}")
        about_agents = _too_few(values["agents_finished"], "agents")
        lines += [f"  note: {warning}" for warning in values["warnings"] if warning not in about_agents]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        """The summary in a notebook's cell."""
        caption, done, *_ = self.summary().splitlines()
        latency = self.values["latency_s"]
        rows = [
            (name.upper() if name != "trajectory" else "agent, start to end", *map(_shown, spread.values()))
            for name, spread in latency.items()
        ]
        shown = table(f"{caption}. {done.strip()}; bottleneck: {self.values['bottleneck']}.", ("latency", "mean", *PERCENTILES), rows)
        return shown + "".join(f"<p>{warning}</p>" for warning in self.values["warnings"])


def result_of(simulation: Simulation, wall_s: float) -> Result:
    """Summarise a run that has ended.

    Parameters
    ----------
    simulation : Simulation
    wall_s : float
        Wall-clock time that it took; the one value that two runs of a scenario may differ in.
    """
    columns = simulation.log.columns()
    simulated_s = simulation.now
    generate, hit, computed = (int(columns[name].sum()) for name in ("generate", "hit", "computed"))
    workload = simulation.workload
    all_done = simulation.agents_finished == workload.trajectories
    trajectory_s = _trajectory_times(simulation, columns)
    latency = {name: _distribution(columns[name]) for name in ("ttft", "ttst", "tpot")} | {"trajectory": _distribution(trajectory_s)}
    breakdown = {stage: _mean(columns[end] - columns[start]) for stage, (start, end) in STAGES.items()}
    carried = simulation.network.carried_bytes(simulated_s).tolist()
    links = [_link_values(link, carried[link.number], simulated_s) for link in simulation.cluster.links()]
    slo = simulation.scenario.slo
    ttft, tpot = latency["ttft"]["mean"], latency["tpot"]["mean"]
    values = {
        "scenario": simulation.scenario.model_dump(),
        "jct_s": float(columns["finished"].max()) if all_done else None,
        "simulated_s": simulated_s,
        "agents_finished": simulation.agents_finished,
        "turns": len(simulation.log),
        "tokens": {"appended": int(workload.append[columns["row"]].sum()), "generated": generate, "hit": hit, "computed": computed},
        "hit_rate": hit / (hit + computed) if hit + computed else 0.0,
        "latency_s": latency,
        "ttft_breakdown_s": breakdown,
        "links": links,
        "storage_bytes": {
            "read": sum(link["bytes"] for link in links if link["kind"] == "snic" and link["direction"] == "rx"),
            "written": sum(link["bytes"] for link in links if link["kind"] == "snic" and link["direction"] == "tx"),
        },
        "kv_bytes_per_token": simulation.model.kv_bytes_per_token,
        "working_set_bytes": _working_set_bytes(simulation, trajectory_s),
        "balance": {
            "snic_max_over_mean": _max_over_mean([link["bytes"] for link in links if link["kind"] == "snic" and link["direction"] == "rx"]),
            "attention_max_over_mean": _attention_balance(simulation),
        },
        "slo_met": ttft is not None and ttft <= slo.ttft_s and (tpot is None or tpot <= slo.tpot_s),
        "bottleneck": _bottleneck(simulation, links),
        "warnings": [
            *workload.told,
            *_too_few(len(simulation.log), "turns"),
            *_too_few(simulation.agents_finished, "agents"),
            *simulation.model.cautions(int((workload.context + workload.append + workload.generate).max())),
        ],
        "events": simulation.events,
        "wall_s": wall_s,
    }
    carried_over_time = LinkTimeline(simulation.network, tuple(simulation.cluster.links()), simulated_s, simulation.bin_s)
    return Result(values, columns, carried_over_time, simulation.policy, simulation.dispatch.decisions)


def moved_bytes(columns: Columns, turn: int, kv_bytes_per_token: int) -> list[int]:
    """KV-cache of one turn as :func:`steps` takes it: hits read on either side, misses, full blocks, hits loaded again."""
    near, hit, computed, generate, *reloaded = (int(columns[name][turn]) for name in _MOVED)
    full = (hit + computed + generate) // BLOCK_TOKENS * BLOCK_TOKENS
    return [tokens * kv_bytes_per_token for tokens in (near, hit - near, computed, full - hit, *reloaded)]


def _label(name: str, direction: str) -> str:
    return f"{name}.{direction}"


def _ports(role: str, engine: int, gpus: int) -> Ports[tuple[str, str]]:
    node, gpu = divmod(engine, gpus)
    snic, dram, cnic = (f"{role}{node}.{name}" for name in ("snic", "dram", f"g{gpu}.cnic"))
    return Ports((snic, "rx"), (snic, "tx"), (dram, "both"), (cnic, "tx"), (cnic, "rx"))


def duration(seconds: float) -> str:
    """To three digits, in ms below a second."""
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"


def _shown(seconds: float | None) -> str:
    return "–" if seconds is None else duration(seconds)


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _distribution(values: NDArray[Any]) -> dict[str, float | None]:
    values = values[~np.isnan(values)]
    if not len(values):
        return dict.fromkeys(("mean", *PERCENTILES))
    spread = np.percentile(values, list(PERCENTILES.values()))
    return {"mean": float(values.mean())} | dict(zip(PERCENTILES, spread.tolist(), strict=True))


def turns_for(percent: float) -> int:
    """How many turns make a percentile steady: ``ENOUGH_BEYOND`` lie beyond it."""
    return round(ENOUGH_BEYOND * 100 / (100 - percent))


def _too_few(count: int, what: str) -> list[str]:
    """A sentence if some of the percentiles of so many turns or agents rest on too few of them."""
    needed = {name: turns_for(percent) for name, percent in PERCENTILES.items()}
    weak = [name for name, least in needed.items() if 0 < count < least]
    if not weak:
        return []
    return [f"{', '.join(weak)} of {count:,} {what} say little: {needed[weak[-1]]:,} make {weak[-1]} steady (more agents, or more seeds)."]


def _trajectory_times(simulation: Simulation, columns: Columns) -> NDArray[np.float64]:
    """Time from an agent's first submission to its last token, for the agents that are done."""
    first_turn = simulation.workload.first_turn
    started = np.full(simulation.workload.trajectories, np.nan)
    ended = started.copy()
    agent, row = columns["agent"], columns["row"]
    opening, closing = row == first_turn[agent], row + 1 == first_turn[agent + 1]
    started[agent[opening]] = columns["submitted"][opening]
    ended[agent[closing]] = columns["finished"][closing]
    times = ended - started
    done: NDArray[np.float64] = times[~np.isnan(times)]
    return done


def _working_set_bytes(simulation: Simulation, trajectory_s: NDArray[np.float64]) -> float:
    """Agents at work at a time (arrival rate x mean JCT) x half of what one ends with (section 11)."""
    workload = simulation.workload
    if not len(trajectory_s):
        return 0.0
    last = workload.first_turn[1:] - 1
    mean_total = float((workload.context[last] + workload.append[last] + workload.generate[last]).mean())
    agents_at_work = len(trajectory_s) / simulation.now * float(trajectory_s.mean())
    return agents_at_work * mean_total / 2 * simulation.model.kv_bytes_per_token


def _link_values(link: Link, kv_bytes: float, simulated_s: float) -> dict[str, Any]:
    by_class = {"kv": round(kv_bytes), "model": round(link.model.total_bytes(simulated_s)) if link.model else 0}
    size = by_class["kv"] + by_class["model"]
    return {
        "name": link.name,
        "kind": link.kind,
        "role": link.role,
        "direction": link.direction,
        "capacity_bytes_per_s": link.capacity,
        "bytes": size,
        "bytes_by_class": by_class,
        "utilization": size / link.could_carry(simulated_s) if simulated_s else 0.0,
    }


def _max_over_mean(values: list[float]) -> float:
    return max(values) * len(values) / sum(values) if any(values) else 1.0


def _attention_balance(simulation: Simulation) -> float:
    groups = simulation.cluster.prefill_groups
    forwards = sum(group.forwards for group in groups)
    return sum(group.attention_imbalance for group in groups) / forwards if forwards else 1.0


def _bottleneck(simulation: Simulation, links: list[dict[str, Any]]) -> str:
    """The kind of resource that was busiest over the run; a full-duplex link counts with its busier direction."""
    names = {"snic": "SNIC", "cnic": "CNIC", "dram": "DRAM"}
    by_kind: dict[tuple[str, str], list[float]] = {}
    for link in links:
        by_kind.setdefault((f"{link['role']} {names[link['kind']]}", link["direction"]), []).append(link["utilization"])
    busy = {name: 0.0 for name, _ in by_kind}
    for (name, _), utilizations in by_kind.items():
        busy[name] = max(busy[name], sum(utilizations) / len(utilizations))
    compute = prefill_compute(simulation)
    busy["prefill compute"] = float(compute.mean()) if len(compute) else 0.0
    return max(busy, key=busy.__getitem__)
