"""What each system is made of (section 10), and how a scenario turns one mechanism on or off by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dualpath_lab import calibration
from dualpath_lab.core.batching import AttentionTime, Batching, ComputeQuota, TokenBudget
from dualpath_lab.core.dispatch import Dispatch, Sides
from dualpath_lab.core.loader import Loader, NoLoader
from dualpath_lab.core.own_policy import load_policy, make_own
from dualpath_lab.core.policy import Scheduler
from dualpath_lab.core.scheduler import Adaptive, RoundRobin, read_on_prefill_side, read_on_shorter_queue, split_read
from dualpath_lab.core.split_loader import SplitLoader
from dualpath_lab.core.views import ClusterView
from dualpath_lab.core.whole_loader import WholeLoader
from dualpath_lab.scenario import SYSTEMS, Scenario, ScenarioError


@dataclass(frozen=True)
class Mechanisms:
    """What is on.

    Attributes
    ----------
    transfers : bool
        Off for the zero-I/O bound.
    layerwise : bool
        Prefill one layer at a time, transfers beside the computation.
    dual_path : bool
        Read on either side.
    split : bool
        Divide one read over both sides; matters under the adaptive scheduler and a policy of the user's own.
    adaptive : bool
        The adaptive scheduler, else round robin; a policy of the user's own stands in the place of both.
    compute_quota : bool
        Fill a forward up to the compute quota, else up to a number of tokens.
    forward_tokens : int
        That number.
    """

    transfers: bool = True
    layerwise: bool = True
    dual_path: bool = True
    split: bool = False
    adaptive: bool = True
    compute_quota: bool = True
    forward_tokens: int = calibration.FIFO_FORWARD_TOKENS


_SYSTEMS = {
    "basic": Mechanisms(layerwise=False, dual_path=False, adaptive=False, compute_quota=False),
    "layerwise": Mechanisms(dual_path=False, adaptive=False, compute_quota=False),
    "roundrobin": Mechanisms(adaptive=False, compute_quota=False),
    "dualpath": Mechanisms(),
    "split": Mechanisms(split=True),
    "oracle": Mechanisms(transfers=False),
}


def mechanisms(scenario: Scenario) -> Mechanisms:
    """What is on in a scenario: its system's mechanisms, less or more those that it sets itself.

    A policy of the user's own has those of ``dualpath``; it is not imported here.

    Raises
    ------
    ScenarioError
        If both sides are to be read without layer-wise prefill: what the decode side reads reaches a prefill engine layer by layer.
        If a policy of the user's own is to be switched for another.
    """
    switched = {name: value for name, value in scenario.mechanisms.model_dump().items() if value is not None}
    if is_own(scenario) and "adaptive" in switched:
        raise ScenarioError(
            f"mechanisms.adaptive = {switched['adaptive']!r} is not allowed with system {scenario.system!r}: it chooses between "
            "schedulers, and this system is one."
        )
    chosen = replace(_SYSTEMS.get(scenario.system, Mechanisms()), **switched)
    if chosen.dual_path and not chosen.layerwise:
        raise ScenarioError(
            f"mechanisms.dual_path on and mechanisms.layerwise off, as this makes system {scenario.system!r}, is not allowed: "
            "reading on both sides needs layer-wise prefill."
        )
    return chosen


def is_own(scenario: Scenario) -> bool:
    """Whether a policy of the user's own decides."""
    return scenario.system not in SYSTEMS


def with_policy(chosen: Mechanisms, scenario: Scenario) -> Mechanisms:
    """What is on once a policy of the user's own has had its say about divided reads.

    Raises
    ------
    ScenarioError
        As :func:`load_policy`.
    """
    return replace(chosen, split=bool(getattr(load_policy(scenario.system), "split", False))) if is_own(scenario) else chosen


def make_loader(chosen: Mechanisms) -> type[Loader]:
    """The class that moves KV-cache."""
    if not chosen.transfers:
        return NoLoader
    if not chosen.layerwise:
        return WholeLoader
    return SplitLoader if chosen.split else Loader


def make_batching(chosen: Mechanisms, attention_s: AttentionTime) -> Batching:
    """What fills the forwards."""
    if chosen.compute_quota:
        return ComputeQuota(attention_s, calibration.COMPUTE_QUOTA_S)
    return TokenBudget(attention_s, chosen.forward_tokens)


def sides(chosen: Mechanisms) -> Sides:
    """Who may read a turn's hit tokens."""
    if not chosen.dual_path:
        return "prefill"
    return "both" if chosen.split else "either"


def make_scheduler(chosen: Mechanisms, scenario: Scenario, cluster: ClusterView, dispatch: Dispatch) -> Scheduler:
    """Who decides.

    Raises
    ------
    ScenarioError
        If it is a policy of the user's own, as :func:`make_own`.
    """
    if is_own(scenario):
        return make_own(scenario.system, cluster, dispatch)
    if not chosen.adaptive:
        return RoundRobin(cluster, dispatch, chosen.dual_path)
    two_sided = split_read if chosen.split else read_on_shorter_queue
    choose_side = two_sided if chosen.dual_path else read_on_prefill_side
    return Adaptive(cluster, dispatch, choose_side, calibration.ALPHA_S, calibration.BETA_S * cluster.prefill_tokens_per_s)
